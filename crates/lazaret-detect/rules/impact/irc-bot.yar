rule irc_bot : elf
{
    meta:
        title = "carry a bot that takes orders over a chat network"
        explanation = "The program holds the answers of the Tsunami family, which waits in an IRC channel for orders to flood targets or to run commands. Nobody installs this knowingly. Do not run the image; on a host where it ran, treat it as taken over."
        class = "malware"
        severity = "critical"
        confidence = "high"
        attack = "T1071, T1498"
        reference = "https://attack.mitre.org/groups/G0139/"
    strings:
        $tsunami = "NOTICE %s :TSUNAMI <target>"
        $pan = "NOTICE %s :PAN <target> <port> <secs>"
        $udp = "NOTICE %s :UDP <target> <port> <secs>"
        $spoof = "NOTICE %s :GETSPOOFS"
        $kill = "NOTICE %s :KILLALL"
        $unable = "NOTICE %s :Unable to comply."
        $nick = "NICK %s\nUSER %s localhost localhost :%s\n"
        $irc = "NOTICE %s :IRC <command>"
        $sh = "NOTICE %s :SH <command>"
        $ver = "NOTICE %s :Kaiten wa goraku"
    condition:
        uint32(0) == 0x464c457f and 2 of them
}

/* example: fires on the bot's answers
    ELF /usr/bin/kswapd0 0755
        NOTICE %s :TSUNAMI <target> <secs>
        NOTICE %s :KILLALL                = Kills all current packeting.
    CMD ["/usr/bin/kswapd0"]
*/
/* example: quiet on a chat client and on a text about the bot
    ELF /usr/bin/chat 0755
        NOTICE %s :%s
        PRIVMSG %s :%s
        NICK %s
    FILE /usr/share/doc/bots.txt
        NOTICE %s :TSUNAMI <target> <secs>
        NOTICE %s :KILLALL
    CMD ["/usr/bin/chat"]
*/
