rule randomx_code : elf
{
    meta:
        title = "carry the proof of work of Monero"
        explanation = "The program holds the constants with which RandomX makes its scratchpad: it can mine Monero, or check its blocks as a node does. In an image that says it is a node or a miner this is what it says; in any other image it is a miner. Ask why it is there."
        class = "dual-use"
        severity = "medium"
        confidence = "high"
        attack = "T1496.001"
        reference = "https://github.com/tevador/RandomX/blob/master/doc/specs.md"
    strings:
        $key0 = { 53 a5 ac 6d 09 66 71 62 2b 55 b5 db 17 49 f4 b4 }
        $key1 = { 07 af 7c 6d 0d 71 6a 84 78 d3 25 17 4e dc a1 0d }
        $key2 = { f1 62 12 3f c6 7e 94 9f 4f 79 c0 f4 45 e3 20 3e }
        $key3 = { 35 81 ef 6a 7c 31 ba b1 88 4c 31 16 54 91 16 49 }
    condition:
        uint32(0) == 0x464c457f and 2 of them
}

/* example: fires on the constants wherever they stand
    BASE64 /usr/bin/tool 0755 f0VMRgIBAQBTpaxtCWZxYitVtdsXSfS0B698bQ1xaoR40yUXTtyhDQ==
*/
/* example: quiet on a text that describes them
    FILE /usr/share/doc/randomx.md
        key0 = 53 a5 ac 6d 09 66 71 62 2b 55 b5 db 17 49 f4 b4
        key1 = 07 af 7c 6d 0d 71 6a 84 78 d3 25 17 4e dc a1 0d
*/
