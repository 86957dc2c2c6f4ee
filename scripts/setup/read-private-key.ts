import { createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Terminal } from '../../infra/terminal/terminal.ts';

/**
 * A key that GitHub gave out as a .pem file. A person is asked for the file's path; otherwise the file is named by
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
    // The text is no key at all: the answer is the same.
  }
  return 'This is not an RSA private key in PEM form, as GitHub hands it out (-----BEGIN RSA PRIVATE KEY-----).';
}
