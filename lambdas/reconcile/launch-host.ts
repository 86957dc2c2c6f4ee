import { archOf } from '#core/capacity';
import type { Host } from '#core/environment';
import { EphError } from '#core/failure';
import { type HostBoot, userDataOf } from '#core/host-boot';
import { omit } from '#core/lifecycle';
import { shortHash } from '#core/names';
import { instanceTypesOf, type Run, type StepResult, saveIntent } from './run.ts';

/**
 * Switches on a new machine. The intent is in the table before EC2 hears of it, so a crash in between is
 * repaired by asking again with the same token, and `hosts` knows the machine before it can report.
 */
export async function launchHost(run: Run): Promise<StepResult> {
  const { ports } = run.world;
  const host = run.row.state.host ?? (await freezeIntent(run));
  const instanceId = await launchOrFind(run, host);
  if (!instanceId) return { state: omit(run.row.state, 'host'), outcome: 'token spent: another attempt' };

  await ports.records.putHost(instanceId, run.key, ports.now());
  return { state: { ...run.row.state, host: { ...host, instanceId } }, outcome: instanceId };
}

async function freezeIntent(run: Run): Promise<Host> {
  const { state, repositoryId, number } = run.row;
  const { ports, config } = run.world;
  const now = ports.now();
  const attempt = state.attempt + 1;
  const blueprint = await ports.machines.blueprint(attempt, {
    arch: archOf(state.settings?.config),
    instanceTypes: instanceTypesOf(run),
    refusals: state.retries['launch-host']?.count ?? 0,
  });
  const boot: HostBoot = {
    v: 1,
    environment: run.key,
    attempt,
    region: config.AWS_REGION,
    bucket: config.MAILBOX_BUCKET,
    hostRoleId: config.HOST_ROLE_ID,
    agentSha256: config.AGENT_SHA256,
  };
  const userData = btoa(userDataOf(boot, config.PROVISION_SHA256));
  // A token is bound to its parameters; hashing them in makes a changed deploy a new token, not a mismatch.
  const fingerprint = shortHash(JSON.stringify([blueprint, userData, state.createdAt]));
  const clientToken = `eph-${repositoryId}-${number}-${attempt}-${fingerprint}`;
  const intent = { ...blueprint, userData, clientToken };
  const host: Host = { intent, attempt, startedAt: now, power: 'on', heard: false };
  await saveIntent(run, { ...omit(state, 'order'), attempt, host });
  return host;
}

/** Undefined: the token belongs to a machine that is gone; a new attempt needs a new token. */
async function launchOrFind(run: Run, host: Host): Promise<string | undefined> {
  const { machines } = run.world.ports;
  try {
    const launched = await machines.launch(host.intent, run.key, host.attempt);
    return launched.instanceId;
  } catch (error) {
    if (!(error instanceof EphError) || error.code !== 'launch_token_spent') throw error;
    const found = await machines.findByToken(host.intent.clientToken);
    return found && found.power !== 'gone' ? found.instanceId : undefined;
  }
}
