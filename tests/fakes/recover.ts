import { minutes } from './clock.ts';
import type { ControlPlane } from './create-control-plane.ts';

/** A run that died holds its lease, its message comes back, the schedule finds what is due: all of it, in time. */
export async function recover(
  platform: Pick<ControlPlane, 'advance' | 'sweep' | 'deliverAll'>,
): Promise<void> {
  for (let quarter = 0; quarter < 2; quarter += 1) {
    await platform.advance(minutes(15));
    await platform.sweep('due');
    await platform.deliverAll();
  }
}
