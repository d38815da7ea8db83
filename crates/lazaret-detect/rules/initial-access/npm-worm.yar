rule npm_worm : text
{
    meta:
        title = "steal tokens and republish packages with itself inside"
        explanation = "The package runs the loader of the Shai-Hulud worm when it is installed: it collects tokens with a secret finder, publishes them, and adds itself to every package that the tokens can publish. Rotate what the build could reach."
        class = "malware"
        severity = "critical"
        confidence = "high"
        attack = "T1195.001, T1552.001"
        reference = "https://www.docker.com/blog/security-that-moves-fast-dockers-response-to-shai-hulud-2-0/"
    strings:
        $loader1 = "\"preinstall\": \"node setup_bun.js\""
        $loader2 = "\"preinstall\":\"node setup_bun.js\""
        $payload = "bun_environment.js"
        $setup = "setup_bun.js"
        $hulud = "Sha1-Hulud"
        $hulud2 = "Shai-Hulud"
        $finder = "trufflehog"
        $publish = "npm publish"
    condition:
        filesize < 16MB and uint32(0) != 0x464c457f and (1 of ($loader*) or ($payload and $setup) or (1 of ($hulud*) and $finder and $publish))
}

/* example: fires on the loader
    FILE /app/node_modules/x/package.json
        { "name": "x", "scripts": { "preinstall": "node setup_bun.js" } }
*/
/* example: quiet on an advisory
    FILE /usr/share/doc/advisory.txt
        The Shai-Hulud worm looks for tokens with trufflehog.
*/
