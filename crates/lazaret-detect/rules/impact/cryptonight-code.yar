rule cryptonight_code : elf
{
    meta:
        title = "carry the hash functions that CryptoNight and its relatives chain for mining"
        explanation = "The program holds the tables of Grøstl, JH and Skein together with Keccak or BLAKE. All three lost the competition for SHA-3, nothing but coins uses them, and only proofs of work use all of them in one program: CryptoNight and GhostRider choose among them for their last step, the X11 family runs them one after the other. They are told by their values and not by a name. In an image that does not say that it mines, ask why they are there."
        class = "dual-use"
        severity = "medium"
        confidence = "high"
        attack = "T1496.001"
        reference = "https://github.com/monero-project/monero/blob/release-v0.12/src/crypto/slow-hash.c, https://cryptonote.org/cns/cns008.txt"
    strings:
        $jh_rounds = { 72 d5 de a2 df 15 f8 67 7b 84 15 0a b7 23 15 57 }
        $jh_start = { eb 98 a3 41 2c 20 d3 eb 92 cd be 7b 9c b2 45 c1 }
        $groestl_32 = { c6 32 f4 a5 f4 97 a5 c6 f8 6f 97 84 97 eb 84 f8 }
        $groestl_64a = { f4 97 a5 c6 c6 32 f4 a5 97 eb 84 f8 f8 6f 97 84 }
        $groestl_64b = { c6 32 f4 a5 f4 97 a5 c6 f8 6f 97 84 97 eb 84 f8 }
        $groestl_64c = { c6 a5 97 f4 a5 f4 32 c6 f8 84 eb 97 84 97 6f f8 }
        $skein_start = { 13 3e db 2f a1 44 d0 cc eb a9 79 1a 30 90 35 e8 }
        $skein_parity = { 22 1a fc a9 da 1b d1 1b }
        $keccak = { 81 80 00 80 00 00 00 80 09 80 00 00 00 00 00 80 8a 00 00 00 00 00 00 00 88 00 00 00 00 00 00 00 }
        $blake = { 88 6a 3f 24 d3 08 a3 85 2e 8a 19 13 44 73 70 03 }
    condition:
        uint32(0) == 0x464c457f and any of ($jh_*) and any of ($groestl_*) and any of ($skein_*)
        and ($keccak or $blake)
}

/* example: fires on the tables in a stripped program of any name
    ELF /usr/lib/systemd/systemd-timed 0755 stripped
        \x72\xd5\xde\xa2\xdf\x15\xf8\x67\x7b\x84\x15\x0a\xb7\x23\x15\x57
        \xc6\x32\xf4\xa5\xf4\x97\xa5\xc6\xf8\x6f\x97\x84\x97\xeb\x84\xf8
        \x13\x3e\xdb\x2f\xa1\x44\xd0\xcc\xeb\xa9\x79\x1a\x30\x90\x35\xe8
        \x81\x80\x00\x80\x00\x00\x00\x80\x09\x80\x00\x00\x00\x00\x00\x80\x8a\x00\x00\x00\x00\x00\x00\x00\x88\x00\x00\x00\x00\x00\x00\x00
    ENTRYPOINT ["/usr/lib/systemd/systemd-timed"]
*/
/* example: fires on the tables under UPX
    ELF /usr/bin/agent 0755 upx
        \xeb\x98\xa3\x41\x2c\x20\xd3\xeb\x92\xcd\xbe\x7b\x9c\xb2\x45\xc1
        \xc6\xa5\x97\xf4\xa5\xf4\x32\xc6\xf8\x84\xeb\x97\x84\x97\x6f\xf8
        \x22\x1a\xfc\xa9\xda\x1b\xd1\x1b
        \x88\x6a\x3f\x24\xd3\x08\xa3\x85\x2e\x8a\x19\x13\x44\x73\x70\x03
    ENTRYPOINT ["/usr/bin/agent"]
*/
/* example: quiet on a library with the two that lived on
    ELF /usr/lib/libhash.so 0644 shared
        \x81\x80\x00\x80\x00\x00\x00\x80\x09\x80\x00\x00\x00\x00\x00\x80\x8a\x00\x00\x00\x00\x00\x00\x00\x88\x00\x00\x00\x00\x00\x00\x00
        \x88\x6a\x3f\x24\xd3\x08\xa3\x85\x2e\x8a\x19\x13\x44\x73\x70\x03
        \x22\x1a\xfc\xa9\xda\x1b\xd1\x1b
    ELF /usr/bin/app 0755
        app
    ENTRYPOINT ["/usr/bin/app"]
*/
