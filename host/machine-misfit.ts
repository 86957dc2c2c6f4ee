import { type ComposeProject, isSwitchedOff } from './compose-project.ts';
import { largerMachine } from './larger-machine.ts';

/**
 * What the machine is too small for, or of the wrong kind for. Docker would say so only after everything has been
 * pulled and built ("Range of CPUs is from 0.01 to 2.00", "exec format error").
 */
export interface Misfit {
  service: string;
  sentence: string;
}

export function machineMisfit(project: ComposeProject, arch: string): Misfit | undefined {
  for (const [service, what] of Object.entries(project.services ?? {})) {
    if (isSwitchedOff(what)) continue;
    const [model] = Object.keys(what.models ?? {});
    if (model) {
      const sentence = `\`${service}\` uses the model \`${model}\` (\`models\`), which needs Docker Model Runner; a preview's machine has none. Put it behind a profile, or list other files under \`compose\` in eph.yaml.`;
      return { service, sentence };
    }
    const wanted = linuxArch(what.platform ?? '');
    const built = (what.build?.platforms ?? []).map(linuxArch).filter((name) => name !== undefined);
    const other =
      wanted && wanted !== arch ? wanted : built.length > 0 && !built.includes(arch) ? built[0] : undefined;
    if (!other) continue;
    const fix =
      other === 'amd64' || other === 'arm64'
        ? `Take \`platform\` away, or set \`arch: ${other}\` in eph.yaml.`
        : 'Take `platform` away.';
    return {
      service,
      sentence: `\`${service}\` is for ${other} (\`platform\`), but the preview's machine is ${arch}. ${fix}`,
    };
  }
  return undefined;
}

/** `linux/arm64/v8` -> `arm64`; nothing for what is not Linux (check-privileges.ts refuses it). */
function linuxArch(platform: string): string | undefined {
  const [system, arch = ''] = platform.split('/');
  if (system !== 'linux' || arch === '') return undefined;
  if (arch === 'x86_64') return 'amd64';
  return arch === 'aarch64' ? 'arm64' : arch;
}

/** A CPU limit above the machine's number has no effect, so it is lowered (override-file.ts) instead of refused. */
export function cpuWarnings(project: ComposeProject, cpus: number): string[] {
  return Object.entries(project.services ?? {}).flatMap(([service, what]) => {
    const wanted = Math.max(what.cpus ?? 0, what.deploy?.resources?.limits?.cpus ?? 0);
    if (wanted > cpus)
      return [
        `\`${service}\` may use ${wanted} CPUs, but the preview's machine has ${cpus}: the limit was lowered. ${largerMachine}`,
      ];
    if (what.cpuset && !fits(what.cpuset, cpus))
      return [
        `\`${service}\` asks for the CPUs ${what.cpuset} (\`cpuset\`), but the preview's machine has ${cpus}: that was left out. ${largerMachine}`,
      ];
    return [];
  });
}

/** `0-3,5` */
export function fits(cpuset: string, cpus: number): boolean {
  return (cpuset.match(/\d+/g) ?? []).every((cpu) => Number(cpu) < cpus);
}
