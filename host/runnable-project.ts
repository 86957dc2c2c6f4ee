import { listOf, type Values, valuesOf } from './machine-reach.ts';

/**
 * The output of `docker compose config --format json` as the one file that `up` reads, now and after a reboot. The
 * checked project is the one that runs: containers may write where the repository's own files are, and a file that is
 * changed there (`privileged: true`, a link in place of an `env_file`) would be read by the next `up`.
 *
 * What prevents the output from being read back unchanged (docker compose 2.26-2.40):
 * - `$` is written `$$` everywhere, but names of keys are not interpolated;
 * - `blkio_config` has its keys with capitals, which the schema does not know;
 * - `profiles` would have to be enabled again.
 */
export function runnableProject(project: unknown, move: (path: string) => string): string {
  const { services, secrets, configs, volumes, ...rest } = valuesOf(plainKeys(project));
  const moveFile = (value: Values) => moved(value, 'file', move);
  const moveVolume = (value: Values) =>
    'driver_opts' in value
      ? { ...value, driver_opts: moved(valuesOf(value['driver_opts']), 'device', move) }
      : value;
  return JSON.stringify({
    ...rest,
    services: mapValues(services, (service) => runnableService(service, move)),
    ...(secrets ? { secrets: mapValues(secrets, moveFile) } : {}),
    ...(configs ? { configs: mapValues(configs, moveFile) } : {}),
    ...(volumes ? { volumes: mapValues(volumes, moveVolume) } : {}),
  });
}

function runnableService(service: Values, move: (path: string) => string): Values {
  const { profiles: _, blkio_config: limits, volumes, ...rest } = service;
  return {
    ...rest,
    ...(limits ? { blkio_config: lowerKeys(limits) } : {}),
    ...(volumes ? { volumes: listOf(volumes).map((mount) => moved(valuesOf(mount), 'source', move)) } : {}),
  };
}

function moved(value: Values, key: string, move: (path: string) => string): Values {
  const path = value[key];
  return typeof path === 'string' ? { ...value, [key]: move(path) } : value;
}

function mapValues(value: unknown, change: (entry: Values) => Values): Values {
  return Object.fromEntries(
    Object.entries(valuesOf(value)).map(([name, entry]) => [
      name,
      entry === null ? null : change(valuesOf(entry)),
    ]),
  );
}

const plainKeys = (value: unknown): unknown => mapKeys(value, (key) => key.replaceAll('$$', '$'));
const lowerKeys = (value: unknown): unknown => mapKeys(value, (key) => key.toLowerCase());

function mapKeys(value: unknown, change: (key: string) => string): unknown {
  if (Array.isArray(value)) return value.map((entry) => mapKeys(entry, change));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [change(key), mapKeys(entry, change)]),
  );
}
