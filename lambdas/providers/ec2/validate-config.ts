import { nearestName } from '#core/nearest-name';
import { type Problem, shown } from '#core/parse-preview-config';
import type { PreviewConfig } from '#core/preview-config';
import { archOfInstanceType } from '#settings/arch-of-instance-type';
import { instanceTypeMessage, instanceTypes } from './instance-types.ts';

/** Finds what EC2 cannot do of an `eph.yaml`; people get a report of it before any machine is paid for. */
export function validateConfig({ instance_type: type, arch = 'amd64' }: PreviewConfig): Problem[] {
  if (type === undefined) return [];
  const wrong = `\`instance_type\` is ${shown(type)}`;
  if (!instanceTypes.includes(type)) return [{ path: ['instance_type'], wrong, fix: unknownType(type) }];
  // A machine of one architecture does not boot with the image of the other.
  const needed = archOfInstanceType(type);
  if (needed === arch) return [];
  switch (needed) {
    case 'arm64': {
      const fix = 'add `arch: arm64`, or choose one like `t3.small`.';
      return [{ path: ['instance_type'], wrong: `${wrong}, an Arm machine (Graviton)`, fix }];
    }
    case 'amd64': {
      const fix = 'with `arch: arm64` choose one like `t4g.small`.';
      return [{ path: ['instance_type'], wrong: `${wrong}, not an Arm machine`, fix }];
    }
  }
}

function unknownType(type: string): string {
  const near = nearestName(type, instanceTypes);
  return `expected ${instanceTypeMessage}.${near ? ` Did you mean \`${near}\`?` : ''}`;
}
