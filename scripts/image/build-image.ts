import type { Deployment } from '../../infra/deploy/deployment.ts';
import { bringImage, lacking } from '../../infra/deploy/image-step.ts';

/** `make ami-build`. `force` bakes although nothing changed, for newer packages. */
export async function buildImage(
  deployment: Deployment,
  architecture: 'x86_64' | 'arm64',
  { force }: { force: boolean },
): Promise<void> {
  const { terminal } = deployment;
  const reason = await lacking(deployment, architecture);
  if (!reason && !force) {
    terminal.mark(
      'done',
      `The ${architecture} image is up to date; make ami-build FORCE=1 bakes it anew with today's packages.`,
    );
    return;
  }
  const done = await terminal.during('Machine image', (progress) =>
    bringImage(deployment, architecture, progress),
  );
  terminal.mark('done', `${done}. The next host boots from it.`);
}
