import { connect } from 'node:tls';

const WITHIN_MS = 2_000;

/** Whether a server completes a TLS handshake. Nothing is sent to it, so its certificate is not checked. */
export function speaksTls(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, rejectUnauthorized: false });
    const end = (speaks: boolean) => {
      clearTimeout(deadline);
      socket.destroy();
      resolve(speaks);
    };
    const deadline = setTimeout(() => end(false), WITHIN_MS);
    socket.once('secureConnect', () => end(true));
    socket.once('error', () => end(false));
  });
}
