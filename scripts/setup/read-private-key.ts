import { createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Terminal } from '../../infra/terminal/terminal.ts';

/**
 * A key that GitHub has handed out as a .pem file: the file's path is asked where somebody sits; otherwise it is in
 * GITHUB_APP_KEY_FILE, or the key itself comes on standard input.
 */
export async function readPrivateKey(
  terminal: Terminal,
  environment: Record<string, string | undefined>,
): Promise<{ privateKey: string; file: string | undefined }> {
  if (!terminal.interactive && !environment['GITHUB_APP_KEY_FILE']) {
    const privateKey = await terminal.askSecret({
      name: 'GITHUB_APP_KEY',
      text: "The App's private key (GITHUB_APP_KEY_FILE names its file)",
      check: keyProblem,
    });
    return { privateKey, file: undefined };
  }
  const file = await terminal.ask({
    name: 'GITHUB_APP_KEY_FILE',
    text: 'Path of the .pem file that your browser has saved',
    check: async (path) => {
      const text = await readFile(path, 'utf8').catch(() => undefined);
      return text === undefined ? `There is no file ${path} that can be read.` : keyProblem(text);
    },
  });
  return { privateKey: await readFile(file, 'utf8'), file };
}

function keyProblem(text: string): string | undefined {
  try {
    if (createPrivateKey(text).asymmetricKeyType === 'rsa') return undefined;
  } catch {
    // No key at all: the same answer.
  }
  return 'This is not an RSA private key in PEM form, as GitHub hands it out (-----BEGIN RSA PRIVATE KEY-----).';
}
