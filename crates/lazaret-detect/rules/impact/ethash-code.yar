rule ethash_code : elf
{
    meta:
        title = "carry the proof of work of Ethash or ProgPoW"
        explanation = "The program holds what only this family of proofs of work has: the sizes of the growing data set or cache by epoch, the words that KawPow mixes into its state, or the permutation Keccak-f[800] beside the multipliers of the generator KISS99 and of FNV, from which ProgPoW makes its programs. It can mine Ethereum Classic, Ravencoin and their relatives, or check their blocks as a node does. In an image that does not say so, ask why it is there."
        class = "dual-use"
        severity = "medium"
        confidence = "high"
        attack = "T1496.001"
        reference = "https://eips.ethereum.org/EIPS/eip-1057, https://ethereum.org/developers/docs/consensus-mechanisms/pow/mining/mining-algorithms/ethash"
    strings:
        $dataset = { 80 f8 ff 3f 00 00 00 00 80 ff 7f 40 00 00 00 00 80 ef ff 40 00 00 00 00 }
        $cache = { c0 fe ff 00 00 00 00 00 c0 fc 01 01 00 00 00 00 c0 ff 03 01 00 00 00 00 }
        $kawpow = { 72 00 00 00 41 00 00 00 56 00 00 00 45 00 00 00 4e 00 00 00 43 00 00 00 4f 00 00 00 49 00 00 00 4e 00 00 00 4b 00 00 00 41 00 00 00 57 00 00 00 50 00 00 00 4f 00 00 00 57 00 00 00 }
        $keccak_800 = { 01 00 00 00 82 80 00 00 8a 80 00 00 00 80 00 80 8b 80 00 00 01 00 00 80 81 80 00 80 09 80 00 00 }
        $fnv_prime = { 93 01 00 01 }
        $kiss_congruential = { cd 0d 01 00 }
        $kiss_step = { 87 d6 12 00 }
    condition:
        uint32(0) == 0x464c457f
        and ($dataset or $cache or $kawpow
            or $keccak_800 and $fnv_prime and $kiss_congruential and $kiss_step)
}

/* example: fires on the sizes of the data set in a stripped program of any name
    ELF /usr/sbin/udev-helper 0755 stripped
        \x80\xf8\xff\x3f\x00\x00\x00\x00\x80\xff\x7f\x40\x00\x00\x00\x00\x80\xef\xff\x40\x00\x00\x00\x00
    ENTRYPOINT ["/usr/sbin/udev-helper"]
*/
/* example: fires on the words of KawPow under UPX with overwritten marks
    ELF /usr/sbin/udev-helper 0755 upx-damaged
        \x72\x00\x00\x00\x41\x00\x00\x00\x56\x00\x00\x00\x45\x00\x00\x00\x4e\x00\x00\x00\x43\x00\x00\x00\x4f\x00\x00\x00\x49\x00\x00\x00\x4e\x00\x00\x00\x4b\x00\x00\x00\x41\x00\x00\x00\x57\x00\x00\x00\x50\x00\x00\x00\x4f\x00\x00\x00\x57\x00\x00\x00
    ENTRYPOINT ["/usr/sbin/udev-helper"]
*/
/* example: fires on the parts of ProgPoW
    ELF /usr/sbin/udev-helper 0755 stripped
        \x01\x00\x00\x00\x82\x80\x00\x00\x8a\x80\x00\x00\x00\x80\x00\x80\x8b\x80\x00\x00\x01\x00\x00\x80\x81\x80\x00\x80\x09\x80\x00\x00
        \x93\x01\x00\x01
        \xcd\x0d\x01\x00
        \x87\xd6\x12\x00
    ENTRYPOINT ["/usr/sbin/udev-helper"]
*/
/* example: quiet on a hash table that uses FNV, and Keccak as SHA-3 has it
    ELF /usr/bin/app 0755
        \x93\x01\x00\x01
        \xc5\x9d\x1c\x81
        \x81\x80\x00\x80\x00\x00\x00\x80\x09\x80\x00\x00\x00\x00\x00\x80\x8a\x00\x00\x00\x00\x00\x00\x00\x88\x00\x00\x00\x00\x00\x00\x00
    ENTRYPOINT ["/usr/bin/app"]
*/
/* example: quiet on a small Keccak beside FNV, as a cipher of a small device has it
    ELF /usr/bin/app 0755
        \x01\x00\x00\x00\x82\x80\x00\x00\x8a\x80\x00\x00\x00\x80\x00\x80\x8b\x80\x00\x00\x01\x00\x00\x80\x81\x80\x00\x80\x09\x80\x00\x00
        \x93\x01\x00\x01
    ENTRYPOINT ["/usr/bin/app"]
*/
