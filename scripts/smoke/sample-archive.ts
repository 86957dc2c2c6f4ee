import { gzipSync } from 'node:zlib';

/**
 * The application of the smoke check: a page, and two containers that try to get a token of the machine's role, one
 * behind a bridge and one on the host network. Their results are served beside the page.
 */
const compose = `services:
  web:
    image: busybox:1
    command: ["sh", "-c", "echo eph-smoke > /results/index.html; exec httpd -f -p 80 -h /results"]
    ports: ["80"]
    volumes: ["results:/results"]
  bridge:
    image: busybox:1
    command: ["sh", "/probe.sh", "bridge"]
    volumes: ["results:/results", "./probe.sh:/probe.sh:ro"]
  host-network:
    image: busybox:1
    network_mode: host
    command: ["sh", "/probe.sh", "host-network"]
    volumes: ["results:/results", "./probe.sh:/probe.sh:ro"]
volumes:
  results:
`;

/**
 * The hop limit stops the answer to the token's PUT; a GET would be answered with 401 from anywhere.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
 */
const probe = `(
  printf 'PUT /latest/api/token HTTP/1.0\\r\\nHost: 169.254.169.254\\r\\nX-aws-ec2-metadata-token-ttl-seconds: 60\\r\\n\\r\\n'
  sleep 4
) | timeout 6 nc 169.254.169.254 80 >/tmp/answer 2>/dev/null
if grep -q ' 200 ' /tmp/answer; then echo reachable; else echo blocked; fi >"/results/$1.txt"
`;

/** An archive like GitHub's: a gzipped tar with everything in one folder. */
export function sampleArchive(): Uint8Array {
  const files = { 'compose.yaml': compose, 'probe.sh': probe };
  const entries = Object.entries(files).map(([name, text]) => tarEntry(`eph-smoke/${name}`, text));
  return gzipSync(Buffer.concat([...entries, Buffer.alloc(1024)]));
}

/** https://www.gnu.org/software/tar/manual/html_node/Standard.html */
function tarEntry(name: string, text: string): Buffer {
  const body = Buffer.from(text);
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${body.byteLength.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, body, Buffer.alloc((512 - (body.byteLength % 512)) % 512)]);
}
