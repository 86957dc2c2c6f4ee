import { minutes } from './clock.ts';
import type { ControlPlane } from './create-control-plane.ts';

/** Lets enough time pass for a dead run's lease to end, its message to come back, and the schedule to find it. */
export async function recover(
  platform: Pick<ControlPlane, 'advance' | 'sweep' | 'deliverAll'>,
): Promise<void> {
  for (let quarter = 0; quarter < 2; quarter += 1) {
    await platform.advance(minutes(15));
    await platform.sweep('due');
    await platform.deliverAll();
  }
}
