import { defaultComposeFiles } from '#core/default-compose-files';
import { permanent } from '#core/failure';
import { omit } from '#core/lifecycle';
import { environmentName } from '#core/names';
import { parsePreviewConfig } from '#core/parse-preview-config';
import { defaultPreviewConfig } from '#core/preview-config';
import { type Run, refOf, type StepResult } from './run.ts';

const FILE = 'eph.yaml';
const MAX_PROBLEMS_SHOWN = 8;

/**
 * Reads the settings from the commit's files before any machine is paid for: a wrong `eph.yaml`, or a repository with
 * nothing to run, never costs a boot.
 */
export async function readSettings(run: Run): Promise<StepResult> {
  const { state } = run.row;
  const sha = state.pull?.sha ?? '';
  const ref = refOf(run.row);
  const { forge } = run;
  const { compute } = run.deps.ports;
  const root = await forge.root(ref, sha);
  const text = root.includes(FILE) ? await forge.file(ref, sha, FILE) : undefined;
  const name = state.name ?? nameOf(run, ref.name);
  const { hostname } = run.deps.ports.ingress.address(name);
  const named = { ...state, name, hostname };

  if (text === undefined) {
    const runnable = hasSomethingToRun(root);
    const settings = { sha, config: defaultPreviewConfig, found: false, runnable, hints: hintsOf(root) };
    return {
      state: { ...named, settings },
      outcome: `no eph.yaml: ${runnable ? 'defaults' : 'nothing to run'}`,
    };
  }
  const parsed = parsePreviewConfig(text, compute.validate);
  if (parsed.ok) {
    return { state: { ...named, settings: { sha, config: parsed.config, found: true } }, outcome: 'read' };
  }
  // The row keeps no settings of this commit, so that another try reads them again.
  run.row = { ...run.row, state: omit(named, 'settings') };
  const sentences = parsed.problems
    .slice(0, MAX_PROBLEMS_SHOWN)
    .map((problem) => `line ${problem.line}: ${problem.sentence}`);
  throw permanent('settings_invalid', `${FILE} cannot be used. ${sentences.join(' ')}`);
}

/** `.env` may name compose files elsewhere (`COMPOSE_FILE`), which only the machine reads. */
function hasSomethingToRun(root: readonly string[]): boolean {
  return [...defaultComposeFiles, 'Dockerfile', '.env'].some((name) => root.includes(name));
}

/** Finds names that are nearly right and are not read. */
function hintsOf(root: readonly string[]): string[] {
  const nearly = root.find((name) => /^\.?eph\.ya?ml$/i.test(name));
  return nearly ? [`\`${nearly}\` is not read: the file is called \`${FILE}\`.`] : [];
}

function nameOf({ row, deps }: Run, repository: string): string {
  return environmentName(repository, row.key, deps.nameHash);
}
