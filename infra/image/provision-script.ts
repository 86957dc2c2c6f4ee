import { createHash } from 'node:crypto';
import { provisionFiles } from './image-files.ts';

export interface ProvisionScript {
  text: string;
  sha256: string;
}

/**
 * All that a stock machine needs to become a host, as one shell script that unpacks itself: cloud-init fetches
 * it and checks its hash, so the hash must not depend on when or where it was made, as an archive's would.
 */
export async function provisionScript(pins?: string): Promise<ProvisionScript> {
  const files = await provisionFiles(pins);
  const unpack = files.map(({ name, content }) => {
    const lines =
      Buffer.from(content)
        .toString('base64')
        .match(/.{1,100}/g) ?? [];
    return `mkdir -p "$(dirname "$folder/${name}")"\nbase64 -d >"$folder/${name}" <<'END'\n${lines.join('\n')}\nEND\n`;
  });
  const text = `#!/bin/bash
set -euo pipefail
folder=$(mktemp -d)
${unpack.join('')}bash "$folder/provision.sh" "$folder" --start
rm -rf "$folder"
`;
  return { text, sha256: createHash('sha256').update(text).digest('hex') };
}
