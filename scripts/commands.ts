import packageFile from '../package.json' with { type: 'json' };
import type { Program } from './program/build-program.ts';
import { type Command, defineCommand } from './program/command.ts';
import {
  argument,
  choice,
  duration,
  flag,
  list,
  option,
  optionalArgument,
  presetOption,
  pullRequest,
  repository,
  text,
} from './program/input.ts';

const first = 'Set up and deploy';
const see = 'See what is so';
const operate = 'Operate';
const alone = 'Deploy one part alone';

/** Every command, in the order of the help. The code of a command is loaded when the command runs, and not before. */
const commands: readonly Command[] = [
  defineCommand({
    name: 'setup',
    group: first,
    summary: 'Asks for what a deployment needs, checks each answer, and writes the settings file',
    about:
      'What is there and right already is kept, so it can be run again at any time. Nothing secret is written.',
    inputs: {
      part: optionalArgument('part', 'Only this part', choice('aws', 'cloudflare', 'github', 'sign-in')),
    },
    examples: ['setup', 'setup sign-in', 'setup --env production.env'],
    make: 'make setup',
    next: 'doctor looks at everything that could be in the way, plan says what a deploy would change.',
    async run({ terminal, environment }, { part }) {
      const { runSetup, runSetupPart } = await import('./setup/run-setup.ts');
      await (part ? runSetupPart(terminal, environment, part) : runSetup(terminal, environment));
    },
  }),
  defineCommand({
    name: 'plan',
    group: first,
    summary: 'Says what a deploy would change, and what it would cost',
    about: 'Reads only.',
    inputs: {},
    examples: ['plan'],
    make: 'make plan',
    next: 'deploy does it.',
    async run({ open }) {
      const { runPlan } = await import('./deploy/run-deploy.ts');
      await runPlan(await open());
    },
  }),
  defineCommand({
    name: 'deploy',
    group: first,
    summary: 'Deploys the whole platform, or what changed of it',
    about:
      'Says first into which accounts it reaches, what would change and what that costs, and asks. Ctrl-C stops after the step it is at; run again, it goes on from there.',
    inputs: {
      yes: flag('--yes', 'Without asking (CI=true says the same)'),
      noSmoke: flag('--no-smoke', 'Without the walk through it at the end'),
    },
    examples: ['deploy', 'deploy --env production.env --yes'],
    make: 'make deploy YES=1',
    next: 'open a pull request in a repository that has the App and an eph.yaml.',
    async run({ open, environment, terminal }, { yes, noSmoke }) {
      const { runDeploy } = await import('./deploy/run-deploy.ts');
      const { runSmoke } = await import('./smoke/run-smoke.ts');
      const { stopAfterStep } = await import('./deploy/stop-after-step.ts');
      await runDeploy(await open(), {
        assumeYes: yes || environment['CI'] === 'true',
        smoke: noSmoke ? undefined : runSmoke,
        stop: stopAfterStep(terminal),
      });
    },
  }),
  defineCommand({
    name: 'smoke',
    group: first,
    summary: 'Walks through what only a real account can confirm, on one host that goes away again',
    about: 'About five minutes and a cent. Cleans up whatever happens, Ctrl-C included.',
    inputs: {},
    examples: ['smoke'],
    make: 'make smoke',
    next: 'each "no" has its fix below it; doctor looks at the rest.',
    async run({ open }) {
      const { runSmoke } = await import('./smoke/run-smoke.ts');
      await runSmoke(await open());
    },
  }),
  defineCommand({
    name: 'destroy',
    group: first,
    summary: 'Lists everything of this deployment; with its id as confirmation, removes it',
    about:
      'Environments go first. At the end it lists again, to show that nothing is left. There is no way back.',
    inputs: { confirm: option('--confirm <deployment id>', 'Remove all that is listed', text) },
    examples: ['destroy', 'destroy --confirm main'],
    make: 'make destroy CONFIRM=main',
    next: 'the GitHub App is deleted by hand; the command says where.',
    async run({ open, terminal }, { confirm }) {
      const { runDestroy } = await import('./deploy/run-destroy.ts');
      const { stopAfterStep } = await import('./deploy/stop-after-step.ts');
      await runDestroy(await open(), { confirm, stop: stopAfterStep(terminal) });
    },
  }),
  defineCommand({
    name: 'doctor',
    group: see,
    summary: 'Checks everything that can be wrong with a deployment, and says how to put it right',
    about: 'Changes nothing, and works at any time. Exit code 1 when something is wrong.',
    inputs: {},
    examples: ['doctor', 'doctor --env production.env'],
    make: 'make doctor',
    next: 'type what stands below each finding, then run it again.',
    async run({ terminal, environment }) {
      const { runDoctor } = await import('./doctor/run-doctor.ts');
      return (await runDoctor(terminal, environment)) > 0 ? 1 : 0;
    },
  }),
  defineCommand({
    name: 'logs',
    group: see,
    summary: 'Shows what the functions of a deployment log, oldest first',
    inputs: {
      pull: option('--pr <owner/repo#1>', 'Only what is about this pull request', pullRequest),
      since: presetOption('--since <time>', 'How far back: 30m, 6h or 2d', '1h', duration),
      follow: flag('--follow', 'Go on with what is new, until Ctrl-C'),
    },
    examples: ['logs --since 6h', 'logs --pr acme/shop#1 --follow'],
    make: 'make logs PR=acme/shop#1 FOLLOW=1',
    next: 'trace shows the steps that were taken for one pull request.',
    async run({ open }, requirements) {
      const { printLogs } = await import('./logs/print-logs.ts');
      await printLogs(await open(), requirements);
    },
  }),
  defineCommand({
    name: 'trace',
    group: see,
    summary: 'Shows what Eph did for a pull request, step by step, and why',
    inputs: { pull: argument('owner/repo#1', 'The pull request', pullRequest) },
    examples: ['trace acme/shop#1'],
    make: 'make trace PR=acme/shop#1',
    next: 'logs --pr has every line that was logged on the way.',
    async run({ open, terminal }, { pull }) {
      const { printTrace } = await import('./logs/print-trace.ts');
      await printTrace(await open(), pull, terminal.print);
    },
  }),
  defineCommand({
    name: 'cost',
    group: see,
    summary: 'Says what a deployment costs: idle, asleep, awake',
    about: 'For the settings that there are, else for the defaults. Connects to nothing.',
    inputs: { types: option('--types <list>', 'These instance types instead of the usual ones', list) },
    examples: ['cost', 'cost --types t3.xlarge,t4g.xlarge'],
    make: 'make cost TYPES=t3.xlarge',
    async run({ terminal, environment }, { types }) {
      const { printCostTable } = await import('./cost/print-cost-table.ts');
      await printCostTable(terminal, environment, types ?? []);
    },
  }),
  defineCommand({
    name: 'pause',
    group: operate,
    summary: 'Launches and starts no hosts until resume',
    about:
      'Running previews serve on and take pushes; closing a pull request still removes everything of it. Pull requests are told.',
    inputs: { sleep: flag('--sleep', 'Switch the running hosts off too; disks and addresses stay') },
    examples: ['pause', 'pause --sleep'],
    make: 'make pause SLEEP=1',
    next: 'resume ends it; what waited goes on by itself.',
    async run({ open }, { sleep }) {
      const { runPause } = await import('./pause/run-pause.ts');
      await runPause(await open(), { sleep });
    },
  }),
  defineCommand({
    name: 'resume',
    group: operate,
    summary: 'Ends a pause',
    inputs: {},
    examples: ['resume'],
    make: 'make resume',
    async run({ open }) {
      const { runResume } = await import('./pause/run-pause.ts');
      await runResume(await open());
    },
  }),
  defineCommand({
    name: 'secret set',
    group: operate,
    summary: 'Keeps a secret of an application',
    about:
      'The value is asked for without being shown, or comes on standard input. It is in the environment of the next deploy of a branch, never of a fork.',
    inputs: {
      repository: argument('owner/repo', 'The repository of the application', repository),
      name: argument('NAME', 'The variable that the application reads', text),
    },
    examples: ['secret set acme/shop API_KEY', 'secret set acme/shop API_KEY < key.txt'],
    make: 'make secret REPO=acme/shop NAME=API_KEY',
    next: 'push to the pull request: it applies at the next deploy.',
    async run({ open }, { repository: repo, name }) {
      const { setSecret } = await import('./secret/set-secret.ts');
      await setSecret(await open(), repo, name);
    },
  }),
  defineCommand({
    name: 'secret list',
    group: operate,
    summary: 'Lists the names of the secrets of an application, never their values',
    inputs: { repository: argument('owner/repo', 'The repository of the application', repository) },
    examples: ['secret list acme/shop'],
    make: 'make secret REPO=acme/shop LIST=1',
    async run({ open }, { repository: repo }) {
      const { listSecrets } = await import('./secret/set-secret.ts');
      await listSecrets(await open(), repo);
    },
  }),
  defineCommand({
    name: 'secret remove',
    group: operate,
    summary: 'Removes a secret of an application',
    inputs: {
      repository: argument('owner/repo', 'The repository of the application', repository),
      name: argument('NAME', 'The variable that the application reads', text),
    },
    examples: ['secret remove acme/shop API_KEY'],
    make: 'make secret REPO=acme/shop NAME=API_KEY REMOVE=1',
    next: 'previews that run keep it until their next deploy.',
    async run({ open }, { repository: repo, name }) {
      const { removeSecret } = await import('./secret/set-secret.ts');
      await removeSecret(await open(), repo, name);
    },
  }),
  defineCommand({
    name: 'rotate webhook-secret',
    group: operate,
    summary: 'Replaces the secret that GitHub signs its deliveries with',
    about:
      'The Worker takes both until the old one is dropped, for deliveries that are under way or sent again.',
    inputs: { dropPrevious: flag('--drop-previous', 'Only forget the one before') },
    examples: ['rotate webhook-secret', 'rotate webhook-secret --drop-previous'],
    make: 'make rotate WHAT=webhook-secret DROP=1',
    next: 'the day after: rotate webhook-secret --drop-previous',
    async run({ openOwn }, { dropPrevious }) {
      const { rotateWebhookSecret } = await import('./rotate/webhook-secret.ts');
      await rotateWebhookSecret(await openOwn(), { dropPrevious });
    },
  }),
  defineCommand({
    name: 'rotate worker-key',
    group: operate,
    summary: 'Replaces the access key with which the Worker reaches AWS',
    about: 'The old one is deleted once the Worker answers with the new one.',
    inputs: {},
    examples: ['rotate worker-key'],
    make: 'make rotate WHAT=worker-key',
    async run({ openOwn }) {
      const { rotateWorkerKey } = await import('./rotate/worker-key.ts');
      await rotateWorkerKey(await openOwn());
    },
  }),
  defineCommand({
    name: 'rotate cloudflare-token',
    group: operate,
    summary: "Replaces the functions' token for Cloudflare",
    about: 'The old one is deleted once the functions use the new one.',
    inputs: {},
    examples: ['rotate cloudflare-token'],
    make: 'make rotate WHAT=cloudflare-token',
    async run({ openOwn }) {
      const { rotateCloudflareToken } = await import('./rotate/cloudflare-token.ts');
      await rotateCloudflareToken(await openOwn());
    },
  }),
  defineCommand({
    name: 'rotate app-key',
    group: operate,
    summary: "Replaces the GitHub App's private key",
    about: 'GitHub makes keys on its page only: the command says where, and takes the file.',
    inputs: {},
    examples: ['rotate app-key'],
    make: 'make rotate WHAT=app-key',
    next: 'delete the old key on the page that is named.',
    async run({ openOwn, environment }) {
      const { rotateAppKey } = await import('./rotate/app-key.ts');
      await rotateAppKey(await openOwn(), environment);
    },
  }),
  defineCommand({
    name: 'test-token',
    group: operate,
    summary: 'Says the variables for the end-to-end test against a deployment, and how to hand them to CI',
    inputs: { show: flag('--show', 'Show the secret too, as it is shown when this goes into a pipe') },
    examples: ['test-token', 'test-token --show'],
    make: 'make setup-test-token SHOW=1',
    async run({ open }, { show }) {
      const { printTestToken } = await import('./test-token/print-test-token.ts');
      await printTestToken(await open(), { show: show || !process.stdout.isTTY });
    },
  }),
  defineCommand({
    name: 'image build',
    group: alone,
    summary: 'Bakes a machine image, if what goes into it changed',
    inputs: {
      arch: presetOption('--arch <name>', 'Of which machines', 'x86_64', choice('x86_64', 'amd64', 'arm64')),
      force: flag('--force', "Although nothing changed, for today's packages"),
    },
    examples: ['image build --arch arm64', 'image build --force'],
    make: 'make ami-build ARCH=arm64 FORCE=1',
    next: 'the next host boots from it.',
    async run({ open }, { arch, force }) {
      const { buildImage } = await import('./image/build-image.ts');
      await buildImage(await open(), arch === 'arm64' ? 'arm64' : 'x86_64', { force });
    },
  }),
  defineCommand({
    name: 'worker deploy',
    group: alone,
    summary: 'Deploys the Worker, if it or its settings changed',
    inputs: {},
    examples: ['worker deploy'],
    make: 'make worker-deploy',
    async run({ openOwn }) {
      const { deployWorker } = await import('./worker/deploy-worker.ts');
      await deployWorker(await openOwn());
    },
  }),
  defineCommand({
    name: 'functions deploy',
    group: alone,
    summary: "Puts the functions' code there past CloudFormation, which takes seconds instead of minutes",
    inputs: {},
    examples: ['functions deploy'],
    make: 'make lambda-deploy',
    next: "the next deploy puts the template's code there again.",
    async run({ open }) {
      const { deployFunctions } = await import('./functions/deploy-functions.ts');
      await deployFunctions(await open());
    },
  }),
  defineCommand({
    name: 'functions package',
    group: alone,
    summary: "Writes the functions' code as zip files into dist/",
    about: 'The same sources make the same bytes. Needs no settings.',
    inputs: {},
    examples: ['functions package'],
    make: 'make lambda-package',
    async run({ terminal }) {
      const { packageFunctions } = await import('./functions/package-functions.ts');
      await packageFunctions(terminal);
    },
  }),
  defineCommand({
    name: 'stack diff',
    group: alone,
    summary: 'Says what CDK would change of the stack',
    inputs: {},
    examples: ['stack diff'],
    make: 'make cdk-diff',
    next: 'stack deploy does it.',
    async run({ open }) {
      const { diffStack } = await import('./stack/deploy-stack.ts');
      await diffStack(await open());
    },
  }),
  defineCommand({
    name: 'stack deploy',
    group: alone,
    summary: 'Deploys the stack',
    inputs: {},
    examples: ['stack deploy'],
    make: 'make cdk-deploy',
    async run({ open }) {
      const { deployStack } = await import('./stack/deploy-stack.ts');
      await deployStack(await open());
    },
  }),
  defineCommand({
    name: 'stack destroy',
    group: alone,
    summary: 'Deletes the stack and nothing else; destroy is what you want',
    inputs: { confirm: option('--confirm <deployment id>', 'Delete it', text) },
    examples: ['stack destroy --confirm main'],
    make: 'make cdk-destroy CONFIRM=main',
    async run({ open }, { confirm }) {
      const { destroyStack } = await import('./stack/destroy-stack.ts');
      await destroyStack(await open(), confirm);
    },
  }),
];

export const ephAdmin: Program = {
  name: 'eph-admin',
  typed: './scripts/eph-admin.ts',
  version: packageFile.version,
  summary: 'Sets up, deploys and operates one Eph in its accounts',
  commands,
  nouns: {
    secret: 'Secrets of applications',
    rotate: 'Replaces a credential without downtime',
    image: 'The machine image',
    worker: 'The Cloudflare Worker',
    functions: "The functions' code",
    stack: 'The stack of CloudFormation',
  },
  closing: `eph-admin help <command> says more of one. In a checkout it is ./scripts/eph-admin.ts, and make help has the
same commands as targets, which also bring Node and the packages.

Exit codes: 0 done, 1 it failed, 2 a mistake in what was typed, 130 interrupted.`,
};
