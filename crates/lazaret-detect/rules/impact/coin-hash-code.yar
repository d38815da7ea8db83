rule coin_hash_code : elf
{
    meta:
        title = "carry the proof of work of Kaspa or an Equihash coin"
        explanation = "The program holds the state from which Kaspa's kHeavyHash begins, or the personalization of Equihash beside the initial values of BLAKE2b. Nothing but a miner, a pool or a node of these coins has a use for them. In an image that does not say that it is one, ask why they are there."
        class = "dual-use"
        severity = "medium"
        confidence = "high"
        attack = "T1496.001"
        reference = "https://zips.z.cash/protocol/protocol.pdf, https://github.com/kaspanet/rusty-kaspa"
    strings:
        $kaspa_outer = { 3d d8 f6 a1 0d ff 3c 11 3c 7e 02 b7 55 88 bf 29 }
        $kaspa_inner = { 09 85 24 b2 52 4c d7 3a 16 42 9f 2f 0e 9b 62 79 }
        $equihash = /(Zcash|Bgold|Beam-|Equi)Po[Ww][\x00-\x20\xb8-\xd0]/
        $equihash_flux = "ZelProof" fullword
        $blake2b = { 08 c9 bc f3 67 e6 09 6a 3b a7 ca 84 85 ae 67 bb }
    condition:
        uint32(0) == 0x464c457f
        and (any of ($kaspa_*) or ($blake2b and any of ($equihash*)))
}

/* example: fires on the states of kHeavyHash in a stripped program of any name
    ELF /usr/bin/updater 0755 stripped
        \x3d\xd8\xf6\xa1\x0d\xff\x3c\x11\x3c\x7e\x02\xb7\x55\x88\xbf\x29
    ENTRYPOINT ["/usr/bin/updater"]
*/
/* example: fires on Equihash under UPX
    ELF /usr/bin/updater 0755 upx
        ZcashPoW
        \x08\xc9\xbc\xf3\x67\xe6\x09\x6a\x3b\xa7\xca\x84\x85\xae\x67\xbb
    ENTRYPOINT ["/usr/bin/updater"]
*/
/* example: quiet on BLAKE2b alone
    ELF /usr/bin/b2sum 0755
        \x08\xc9\xbc\xf3\x67\xe6\x09\x6a\x3b\xa7\xca\x84\x85\xae\x67\xbb
    ENTRYPOINT ["/usr/bin/b2sum"]
*/
/* example: quiet on the name of the personalization alone
    ELF /usr/bin/app 0755
        ZcashPoW
    ENTRYPOINT ["/usr/bin/app"]
*/
