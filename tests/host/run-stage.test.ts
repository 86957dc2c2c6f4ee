import { expect, it } from 'vitest';
import { runStage, type StageDeps } from '../../host/run-stage.ts';

it('keeps the progress of each layer out of the log, and nothing else', async () => {
  const lines: string[] = [];
  const deps = { log: { line: (line: string) => lines.push(line) } } as unknown as StageDeps;
  const printed = [
    ' web Pulling ',
    ' 84db82aab263 Pulling fs layer ',
    ' 84db82aab263 Downloading [====>      ]   42.8MB/47.95MB',
    '84db82aab263 Extracting [==>  ]  1MB/2MB',
    ' 84db82aab263 Pull complete ',
    '#5 sha256:0a1b 12.58MB / 48.48MB 0.2s',
    '#5 extracting sha256:0a1b 0.5s done',
    '#6 [web 2/3] RUN npm ci',
    '#6 0.421 Downloading 3 packages',
  ];
  await runStage('pulling', deps, new AbortController().signal, { timeoutMs: 1_000 }, async ({ onLine }) => {
    for (const line of printed) onLine(line);
    return { code: 0, stdout: '', stderr: '', ended: 'exited' };
  });
  expect(lines).toEqual([
    ' web Pulling ',
    ' 84db82aab263 Pull complete ',
    '#6 [web 2/3] RUN npm ci',
    '#6 0.421 Downloading 3 packages',
  ]);
});
