import { hostname } from 'node:os';

/** What a person needs to know to see a preview of the local platform in a browser. */
export function howToOpen(shown: {
  url: string;
  page: string;
  login: { email: string; code: string };
}): string[] {
  const { url, page, login } = shown;
  const ports = [url, page].map((address) => new URL(address).port);
  const forwards = ports.map((port) => `-L ${port}:127.0.0.1:${port}`).join(' ');
  const fromAfar = [
    '  first, on the computer with the browser',
    `                      ssh ${forwards} ${hostname()}`,
  ];
  return [
    'In a browser (which finds *.localhost on its own machine by itself)',
    ...(process.env['SSH_CONNECTION'] ? fromAfar : []),
    `  the application     ${url}`,
    `                      Access asks who you are: ${login.email}, then the code ${login.code}`,
    `  the pull request    ${page}`,
  ];
}
