import type { ComposeProject } from './compose-project.ts';

/**
 * Services that are not built, but use what another service builds: by the name it gives its image, or by the one
 * that compose makes of project and service (`shop-web`). The project is called `eph` here, so the second kind of
 * name is replaced. Compose's `up` knows the first kind; its `pull` does not, and fails for it.
 */
export function imagesBuiltElsewhere(
  project: ComposeProject,
  projectNames: readonly string[],
): Map<string, string> {
  const services = Object.entries(project.services ?? {});
  /** The image name that a service must use instead; undefined where the name is right. */
  const built = new Map<string, string | undefined>();
  for (const [name, { build, image }] of services) {
    if (!build) continue;
    if (image) built.set(fullName(image), undefined);
    // docker-compose 1 joined the two by an underscore.
    else
      for (const project of projectNames)
        for (const by of ['-', '_']) built.set(fullName(project + by + name), `eph-${name}`);
  }
  return new Map(
    services.flatMap(([name, { build, image }]) =>
      !build && image && built.has(fullName(image)) ? [[name, built.get(fullName(image)) ?? image]] : [],
    ),
  );
}

/** `app` and `docker.io/library/app:latest` are one image. */
function fullName(image: string): string {
  const plain = image.replace(/^(?:docker\.io|index\.docker\.io)\//, '').replace(/^library\//, '');
  return /:[^/]+$/.test(plain) ? plain : `${plain}:latest`;
}
