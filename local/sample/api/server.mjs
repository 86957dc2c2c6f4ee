import { createServer } from 'node:http';
import { connect } from 'node:net';

const cacheHost = process.env.CACHE_HOST ?? 'cache';
/** The pull request changes this text, so that the change can be seen on the page. */
const greeting = 'Welcome to the shop';

/** One Redis command over a connection of its own: enough for a counter, without a package to install. */
function countVisit() {
  return new Promise((resolve, reject) => {
    const socket = connect(6379, cacheHost, () => socket.write('INCR visits\r\n'));
    socket.setTimeout(2_000, () => socket.destroy(new Error('the cache does not answer')));
    socket.on('error', reject);
    socket.on('data', (data) => {
      socket.end();
      resolve(Number(data.toString().slice(1)));
    });
  });
}

createServer(async (request, response) => {
  response.setHeader('content-type', 'application/json');
  if (request.url === '/health') return response.end('{"ok":true}');
  try {
    const visits = await countVisit();
    response.end(JSON.stringify({ greeting, visits, url: process.env.EPH_URL, sha: process.env.COMMIT }));
  } catch (error) {
    response.statusCode = 503;
    response.end(JSON.stringify({ error: error.message }));
  }
}).listen(3000);
