/** The least that node:http can do: read each request whole and answer always the same bytes. Run with headers and body as JSON. */
import { createServer } from 'node:http';

const { headers, body } = JSON.parse(process.argv[2]!) as { headers: Record<string, string>; body: string };

const server = createServer((request, response) => {
  request.on('data', () => undefined);
  request.on('end', () => {
    response.writeHead(200, headers);
    response.end(body);
  });
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${(server.address() as { port: number }).port}\n`);
});
