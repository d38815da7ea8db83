rule hidden_python_stage : text
{
    meta:
        title = "run Python that is packed so that nobody can read it"
        explanation = "A Python program unpacks a reversed, compressed and encoded text and runs it. This hides what it does from whoever looks at the image, and from scanners; a program that is open to its users has no use for it. Unpack it before running it, or leave it."
        class = "malware"
        severity = "high"
        confidence = "high"
        attack = "T1027.013, T1140"
        reference = "https://darktrace.com/ja/blog/obfuscation-overdrive-next-gen-cryptojacking-with-layers"
    strings:
        $reverse1 = "__import__('zlib').decompress(__import__('base64').b64decode(__[::-1]))"
        $reverse2 = "__import__(\"zlib\").decompress(__import__(\"base64\").b64decode(__[::-1]))"
        $reverse3 = "zlib.decompress(base64.b64decode(_[::-1]))"
        $exec1 = "exec((_)(b"
        $exec2 = "exec(_("
        $exec3 = "exec("
        $hex1 = "exec(bytes.fromhex("
        $hex2 = "exec(binascii.unhexlify("
        $fetch1 = "exec(urllib.request.urlopen("
        $fetch2 = "exec(requests.get("
        $marshal1 = "exec(marshal.loads(zlib.decompress(base64.b64decode("
        $marshal2 = "exec(__import__('marshal').loads(__import__('zlib').decompress(__import__('base64').b64decode("
    condition:
        uint32(0) != 0x464c457f and filesize < 8MB and ((1 of ($reverse*) and 1 of ($exec*)) or 1 of ($marshal*, $hex*, $fetch*))
}

/* example: fires on a reversed and compressed stage
    FILE /app/ten.py
        import os
        _ = lambda __ : __import__('zlib').decompress(__import__('base64').b64decode(__[::-1]));exec((_)(b'==QfAAAAAA'))
    CMD ["python3", "/app/ten.py"]
*/
/* example: quiet on a program that unpacks its data
    FILE /app/data.py
        import base64, zlib
        TABLE = zlib.decompress(base64.b64decode('eJwDAAAAAAE='))
        exec(compile('x = 1', 'x', 'exec'))
    CMD ["python3", "/app/data.py"]
*/
