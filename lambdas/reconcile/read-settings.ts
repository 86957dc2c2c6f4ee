import { permanent } from '#core/failure';
import { omit } from '#core/lifecycle';
import { environmentName } from '#core/names';
import { defaultPreviewConfig, parsePreviewConfig } from '#core/preview-config';
import { type Run, refOf, type StepResult } from './run.ts';

const FILE = 'eph.yaml';
const MAX_PROBLEMS_SHOWN = 8;

/** `eph.yaml` of the commit, before any machine is paid for: a wrong file costs nobody a boot. */
export async function readSettings(run: Run): Promise<StepResult> {
  const { state } = run.row;
  const sha = state.pull?.sha ?? '';
  const ref = refOf(run.row);
  const text = await run.world.ports.pullRequests.readFile(ref, sha, FILE);
  const name = state.name ?? (await nameOf(run, ref.name));
  const named = { ...state, name, hostname: `${name}${run.world.config.PREVIEW_SUFFIX}` };

  if (text === undefined) {
    const settings = { sha, config: defaultPreviewConfig, found: false };
    return { state: { ...named, settings }, outcome: 'no eph.yaml: defaults' };
  }
  const parsed = parsePreviewConfig(text);
  if (parsed.ok) {
    return { state: { ...named, settings: { sha, config: parsed.config, found: true } }, outcome: 'read' };
  }
  // No settings of this commit: whoever tries it again, reads them again.
  run.row = { ...run.row, state: omit(named, 'settings') };
  const sentences = parsed.problems
    .slice(0, MAX_PROBLEMS_SHOWN)
    .map((problem) => `line ${problem.line}: ${problem.sentence}`);
  throw permanent('settings_invalid', `${FILE} cannot be used. ${sentences.join(' ')}`);
}

function nameOf(run: Run, repository: string): Promise<string> {
  return environmentName(repository, run.row.repositoryId, run.row.number, run.world.nameKey);
}
