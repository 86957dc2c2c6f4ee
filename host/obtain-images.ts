import { readFile, writeFile } from 'node:fs/promises';
import * as v from 'valibot';
import { composeProjectSchema } from './compose-project.ts';
import { DeployFailure } from './deploy-failure.ts';
import { leaveOut } from './leave-out.ts';
import type { PlannedDeployment } from './plan-deployment.ts';
import { proxyService } from './plan-services.ts';
import { runStage, type StageDeps } from './run-stage.ts';
import type { WaitDeps } from './wait-until-up.ts';

/**
 * Pulls or builds the images of a deployment. An image that only a companion needs (a dashboard, a mail catcher, a
 * worker) does not block the preview: its service is left out, and a warning says why.
 *
 * All images are obtained at once first. Only when that fails, the essential ones follow, and then the others one by
 * one, because neither docker compose nor a registry says for certain which service an error belongs to.
 */
type Stage = 'pulling' | 'building';
type Deps = StageDeps & Pick<WaitDeps, 'sleep'>;

const TIMEOUT_MS: Record<Stage, number> = { pulling: 20 * 60_000, building: 45 * 60_000 };
const TRIES = 3;
/** Errors that may be gone in a moment. A build that fails by itself fails again. */
const passing: Record<Stage, string[]> = {
  pulling: ['registry-unreachable', 'pulling-failed'],
  building: ['registry-unreachable'],
};

export async function obtainImages(
  stage: Stage,
  plan: PlannedDeployment,
  deps: Deps,
  signal: AbortSignal,
): Promise<PlannedDeployment> {
  const { essential } = plan.installed;
  try {
    await tryThrice(stage, plan, plan.leftOut.length > 0 ? await servicesOf(plan) : [], deps, signal);
    return plan;
  } catch (error) {
    const others = (await servicesOf(plan)).filter(
      (name) => name !== proxyService && !essential.includes(name),
    );
    const hopeless = !(error instanceof DeployFailure) || error.failure.code === `${stage}-timeout`;
    if (signal.aborted || hopeless || others.length === 0) throw error;
    deps.log.line(`${stage} failed; what \`/\` needs first, then the others one by one`);
    await tryThrice(stage, plan, [...essential, proxyService], deps, signal);
    return obtainOneByOne(stage, plan, others, deps, signal);
  }
}

async function obtainOneByOne(
  stage: Stage,
  whole: PlannedDeployment,
  services: readonly string[],
  deps: Deps,
  signal: AbortSignal,
): Promise<PlannedDeployment> {
  let plan = whole;
  for (const service of services) {
    if (!(await servicesOf(plan)).includes(service)) continue;
    try {
      await run(stage, plan, [service], deps, signal);
    } catch (error) {
      if (signal.aborted || !(error instanceof DeployFailure)) throw error;
      plan = await without(plan, service, error);
    }
  }
  return plan;
}

/** Removes a service, and what needs it, from the file that `up` reads. A service that `/` needs cannot be removed. */
async function without(
  plan: PlannedDeployment,
  service: string,
  because: DeployFailure,
): Promise<PlannedDeployment> {
  const file = upFile(plan);
  const { project, left } = leaveOut(JSON.parse(await readFile(file, 'utf8')), service);
  if (left.some((name) => plan.installed.essential.includes(name))) throw because;
  await writeFile(file, JSON.stringify(project));
  const others = left.filter((name) => name !== service).map((name) => `\`${name}\``);
  const also = others.length > 0 ? ` So was what needs it: ${others.slice(0, 10).join(', ')}.` : '';
  return {
    ...plan,
    installed: {
      ...plan.installed,
      services: plan.installed.services.filter(({ name }) => !left.includes(name)),
    },
    leftOut: [
      ...plan.leftOut,
      `\`${service}\` was left out: ${because.failure.sentence} \`/\` does not need it.${also}`,
    ],
  };
}

async function servicesOf(plan: PlannedDeployment): Promise<string[]> {
  const project = v.parse(composeProjectSchema, JSON.parse(await readFile(upFile(plan), 'utf8')));
  return Object.keys(project.services ?? {});
}

function upFile({ installed }: PlannedDeployment): string {
  const [file] = installed.call.files;
  if (file === undefined) throw new Error('A deployment was planned without a file to run.');
  return file;
}

async function tryThrice(
  stage: Stage,
  plan: PlannedDeployment,
  services: readonly string[],
  deps: Deps,
  signal: AbortSignal,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run(stage, plan, services, deps, signal);
    } catch (error) {
      const again = error instanceof DeployFailure && passing[stage].includes(error.failure.code);
      if (!again || signal.aborted) throw error;
      if (attempt >= TRIES) {
        const { failure } = error;
        throw new DeployFailure({ ...failure, sentence: `${failure.sentence} Eph tried ${TRIES} times.` });
      }
      deps.log.line(`${stage} failed, trying again (${attempt + 1} of ${TRIES})`);
      await deps.sleep(2_000 * attempt);
    }
  }
}

function run(
  stage: Stage,
  { call, images }: PlannedDeployment,
  services: readonly string[],
  deps: Deps,
  signal: AbortSignal,
): Promise<void> {
  return runStage(stage, deps, signal, { timeoutMs: TIMEOUT_MS[stage], images }, (options) =>
    stage === 'pulling'
      ? deps.compose.pull(call, options, services)
      : deps.compose.build(call, options, services),
  );
}
