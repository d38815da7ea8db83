rule proxyware_program : elf
{
    meta:
        title = "sell the network connection of whoever runs it"
        explanation = "The program is the client of a service that pays its user for letting strangers use the connection. In an image that does not say so, somebody else is paid, and the traffic of strangers carries your address."
        class = "malware"
        severity = "high"
        confidence = "medium"
        attack = "T1496.002"
        reference = "https://attack.mitre.org/techniques/T1496/002/"
    strings:
        $traff = "traffmonetizer"
        $traff_start = "start accept --token"
        $peer = "peer2profit"
        $peer_client = "P2P_EMAIL"
        $honey = "honeygain"
        $honey_terms = "-tou-accept"
        $pawns = "pawns.app"
        $pawns_terms = "-accept-tos"
        $stream = "packetstream.io"
        $stream_client = "psclient"
        $hits = "9hits.com"
        $hits_token = "--token="
        $earn = "earnapp.com"
        $earn_id = "sdk-node-"
        $repocket = "repocket.co"
        $repocket_key = "RP_API_KEY"
    condition:
        uint32(0) == 0x464c457f and (
            ($traff and $traff_start) or ($peer and $peer_client) or ($honey and $honey_terms) or
            ($pawns and $pawns_terms) or ($stream and $stream_client) or ($hits and $hits_token) or
            ($earn and $earn_id) or ($repocket and $repocket_key)
        )
}

/* example: fires on such a client
    ELF /usr/local/bin/netd 0755
        https://api.traffmonetizer.invalid
        usage: Cli start accept --token TOKEN
    ENTRYPOINT ["/usr/local/bin/netd"]
*/
/* example: quiet on a name filter that knows the services
    ELF /usr/bin/dnsfilter 0755
        traffmonetizer
        honeygain
        packetstream.io
    ENTRYPOINT ["/usr/bin/dnsfilter"]
*/
