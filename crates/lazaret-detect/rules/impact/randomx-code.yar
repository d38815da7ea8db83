rule randomx_code : elf
{
    meta:
        title = "carry the proof of work of Monero"
        explanation = "The program holds the constants with which RandomX makes its scratchpad and its programs: it can mine Monero, or check its blocks as a node does. They are told by their values and not by a name, so that a program that was renamed and stripped is told as well. In an image that says it is a node or a miner this is what it says; in any other image it is a miner. Ask why it is there."
        class = "dual-use"
        severity = "medium"
        confidence = "high"
        attack = "T1496.001"
        reference = "https://github.com/tevador/RandomX/blob/master/doc/specs.md"
    strings:
        $gen0 = { 53 a5 ac 6d 09 66 71 62 2b 55 b5 db 17 49 f4 b4 }
        $gen1 = { 07 af 7c 6d 0d 71 6a 84 78 d3 25 17 4e dc a1 0d }
        $gen2 = { f1 62 12 3f c6 7e 94 9f 4f 79 c0 f4 45 e3 20 3e }
        $gen3 = { 35 81 ef 6a 7c 31 ba b1 88 4c 31 16 54 91 16 49 }
        $fill0 = { dd aa 21 64 db 3d 83 d1 2b 6d 54 2f 3f d2 e5 99 }
        $fill1 = { 50 34 0e b2 55 3f 91 b6 53 9d f7 06 e5 cd df a5 }
        $fill2 = { 04 d9 3e 5c af 7b 5e 51 9f 67 a4 0a bf 02 1c 17 }
        $fill3 = { 63 37 62 85 08 5d 8f e7 85 37 67 cd 91 d2 de d8 }
        $state0 = { 0d 2c b5 92 de 56 a8 9f 47 db 82 cc ad 3a 98 d7 }
        $state1 = { 6e 99 8d 33 98 b7 c7 15 5a 12 9e f5 57 80 e7 ac }
        $state2 = { 17 00 77 6a d0 c7 62 ae 6b 50 79 50 e4 7c a0 e8 }
        $state3 = { 0c 24 0a 63 8d 82 ad 07 05 00 a1 79 48 49 99 7e }
        $xkey0 = { 89 83 fa f6 9f 94 24 8b bf 56 dc 90 01 02 89 06 }
        $xkey1 = { d1 63 b2 61 3c e0 f4 51 c6 43 10 ee 9b f9 18 ed }
        $w00 = { 17 49 f4 b4 }
        $w01 = { 2b 55 b5 db }
        $w02 = { 09 66 71 62 }
        $w03 = { 53 a5 ac 6d }
        $w04 = { 4e dc a1 0d }
        $w05 = { 78 d3 25 17 }
        $w06 = { 0d 71 6a 84 }
        $w07 = { 07 af 7c 6d }
        $w08 = { 45 e3 20 3e }
        $w09 = { 4f 79 c0 f4 }
        $w10 = { c6 7e 94 9f }
        $w11 = { f1 62 12 3f }
        $w12 = { 54 91 16 49 }
        $w13 = { 88 4c 31 16 }
        $w14 = { 7c 31 ba b1 }
        $w15 = { 35 81 ef 6a }
    condition:
        // The first word of a vector that stands whole is counted by itself, so that either way of a
        // compiler to write them is met: as vectors, or word by word in the code.
        uint32(0) == 0x464c457f and (2 of ($gen*, $fill*, $state*, $xkey*) or 12 of ($w*))
}

/* example: fires on the constants wherever they stand
    BASE64 /usr/bin/tool 0755 f0VMRgIBAQBTpaxtCWZxYitVtdsXSfS0B698bQ1xaoR40yUXTtyhDQ==
*/
/* example: fires on the states of the hash in a stripped program of any name
    ELF /opt/jre/lib/jspawnhelper 0755 stripped
        \x0d\x2c\xb5\x92\xde\x56\xa8\x9f\x47\xdb\x82\xcc\xad\x3a\x98\xd7
        \xd1\x63\xb2\x61\x3c\xe0\xf4\x51\xc6\x43\x10\xee\x9b\xf9\x18\xed
    ENTRYPOINT ["/opt/jre/lib/jspawnhelper"]
*/
/* example: fires on the words in code, packed with UPX whose marks were overwritten
    ELF /usr/bin/agent 0755 upx-damaged
        \xc7\x44\x24\x00\x17\x49\xf4\xb4
        \xc7\x44\x24\x04\x2b\x55\xb5\xdb
        \xc7\x44\x24\x08\x09\x66\x71\x62
        \xc7\x44\x24\x0c\x53\xa5\xac\x6d
        \xc7\x44\x24\x10\x4e\xdc\xa1\x0d
        \xc7\x44\x24\x14\x78\xd3\x25\x17
        \xc7\x44\x24\x18\x0d\x71\x6a\x84
        \xc7\x44\x24\x1c\x07\xaf\x7c\x6d
        \xc7\x44\x24\x20\x45\xe3\x20\x3e
        \xc7\x44\x24\x24\x4f\x79\xc0\xf4
        \xc7\x44\x24\x28\xc6\x7e\x94\x9f
        \xc7\x44\x24\x2c\xf1\x62\x12\x3f
        \xc7\x44\x24\x30\x54\x91\x16\x49
        \xc7\x44\x24\x34\x88\x4c\x31\x16
        \xc7\x44\x24\x38\x7c\x31\xba\xb1
        \xc7\x44\x24\x3c\x35\x81\xef\x6a
    ENTRYPOINT ["/usr/bin/agent"]
*/
/* example: quiet on a text that describes them
    FILE /usr/share/doc/randomx.md
        key0 = 53 a5 ac 6d 09 66 71 62 2b 55 b5 db 17 49 f4 b4
        key1 = 07 af 7c 6d 0d 71 6a 84 78 d3 25 17 4e dc a1 0d
*/
/* example: quiet on one value of them, which chance may give
    ELF /usr/bin/tool 0755
        \x53\xa5\xac\x6d\x09\x66\x71\x62\x2b\x55\xb5\xdb\x17\x49\xf4\xb4
    ENTRYPOINT ["/usr/bin/tool"]
*/
