rule processor_coin_code : elf
{
    meta:
        title = "carry the proof of work of a coin for processors, or of Ergo"
        explanation = "The program holds the personalization of a yespower coin beside SHA-256, or what Autolykos hashes: the numbers from 0 in eight bytes each, the order of secp256k1 and the initial values of BLAKE2b. Nothing but a miner, a pool or a node of these coins has a use for them together; yescrypt in a system's password library has none of the texts. In an image that does not say that it is one, ask why they are there."
        class = "dual-use"
        severity = "medium"
        confidence = "high"
        attack = "T1496.001"
        reference = "https://www.openwall.com/yespower/, https://docs.ergoplatform.com/ErgoPow.pdf"
    strings:
        $cpu = "CPUpower: The number of CPU working or available for proof-of-work mining"
        $litb = "LITBpower: The number of LITB working or available for proof-of-work mini"
        $sugar = "Satoshi Nakamoto 31/Oct/2008 Proof-of-work is essentially one-CPU-one-vote"
        $tide = "Tidecoin: Post Quantum Security"
        $sha256 = { 98 2f 8a 42 91 44 37 71 cf fb c0 b5 a5 db b5 e9 }
        $numbers = { 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00 03 00 00 00 00 00 00 00 04 00 00 00 00 00 00 00 05 }
        $order_little = { 41 41 36 d0 8c 5e d2 bf 3b a0 48 af e6 dc ae ba }
        $order_big = { ba ae dc e6 af 48 a0 3b bf d2 5e 8c d0 36 41 41 }
        $blake2b = { 08 c9 bc f3 67 e6 09 6a 3b a7 ca 84 85 ae 67 bb }
    condition:
        uint32(0) == 0x464c457f
        and (
            ($sha256 and any of ($cpu, $litb, $sugar, $tide))
            or ($numbers and $blake2b and any of ($order_*))
        )
}

/* example: fires on a yespower coin in a stripped program of any name
    ELF /usr/bin/updater 0755 stripped
        CPUpower: The number of CPU working or available for proof-of-work mining
        \x98\x2f\x8a\x42\x91\x44\x37\x71\xcf\xfb\xc0\xb5\xa5\xdb\xb5\xe9
    ENTRYPOINT ["/usr/bin/updater"]
*/
/* example: fires on what Autolykos hashes
    ELF /usr/bin/updater 0755 stripped
        \x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x05
        \x41\x41\x36\xd0\x8c\x5e\xd2\xbf\x3b\xa0\x48\xaf\xe6\xdc\xae\xba
        \x08\xc9\xbc\xf3\x67\xe6\x09\x6a\x3b\xa7\xca\x84\x85\xae\x67\xbb
    ENTRYPOINT ["/usr/bin/updater"]
*/
/* example: quiet on SHA-256 and the text of a password library
    ELF /usr/lib/libcrypt.so.1 0644
        yescrypt-prehash
        Client Key
        \x98\x2f\x8a\x42\x91\x44\x37\x71\xcf\xfb\xc0\xb5\xa5\xdb\xb5\xe9
    ENTRYPOINT ["/usr/bin/app"]
*/
/* example: quiet on signatures and BLAKE2b without the numbers
    ELF /usr/bin/wallet 0755
        \x41\x41\x36\xd0\x8c\x5e\xd2\xbf\x3b\xa0\x48\xaf\xe6\xdc\xae\xba
        \x08\xc9\xbc\xf3\x67\xe6\x09\x6a\x3b\xa7\xca\x84\x85\xae\x67\xbb
    ENTRYPOINT ["/usr/bin/wallet"]
*/
