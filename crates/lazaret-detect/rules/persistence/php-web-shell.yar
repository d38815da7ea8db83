rule php_web_shell : text
{
    meta:
        title = "let visitors of a web page run commands"
        explanation = "A PHP page hands what a visitor sends to the interpreter or to a shell. Whoever finds the page owns the server."
        class = "malware"
        severity = "high"
        confidence = "medium"
        attack = "T1505.003"
        reference = "https://attack.mitre.org/techniques/T1505/003/"
    strings:
        $php = "<?php"
        $post1 = "eval($_POST["
        $post2 = "eval($_REQUEST["
        $post3 = "eval($_GET["
        $post4 = "assert($_POST["
        $post5 = "system($_GET["
        $post6 = "system($_REQUEST["
        $post7 = "system($_POST["
        $post8 = "passthru($_GET["
        $post9 = "passthru($_REQUEST["
        $post10 = "shell_exec($_GET["
        $post11 = "shell_exec($_REQUEST["
        $post12 = "eval(base64_decode($_POST["
        $packed1 = "eval(gzinflate(base64_decode("
        $packed2 = "eval(gzuncompress(base64_decode("
        $packed3 = "eval(str_rot13(gzinflate("
    condition:
        filesize < 1MB and uint32(0) != 0x464c457f and $php in (0..1024) and 1 of ($post*, $packed*)
}

/* example: fires on the shortest of them
    FILE /var/www/html/cache.php
        <?php @eval($_POST['x']); ?>
*/
/* example: quiet on a page that reads a form and on a filter
    FILE /var/www/html/form.php
        <?php $name = htmlspecialchars($_POST['name']); echo $name; ?>
    FILE /etc/modsecurity/rules.conf
        SecRule ARGS "@contains eval($_POST[" "deny"
*/
