import { parseServiceToken } from '../../infra/cloudflare/ensure-service-token.ts';
import type { Deployment } from '../../infra/deploy/deployment.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';

/**
 * What `make test-e2e` needs to pass Access of this deployment, and how to store it in CI so that it is not in a
 * shell's history: `gh secret set` reads it from standard input.
 *
 * @throws OperatorError where there is no service token yet
 */
export async function printTestToken(
  { terminal, parameters, names, settings, envFile }: Deployment,
  { show }: { show: boolean },
): Promise<void> {
  const token = parseServiceToken(await parameters.read(names.serviceToken));
  if (!token) {
    throw new OperatorError(
      `There is no service token for programs (${names.serviceToken}).`,
      'make deploy makes it, with the policy that lets it into previews.',
    );
  }
  const env = envFile === '.env' ? '' : ` ENV=${envFile}`;
  const github = settings.GITHUB_API_URL === 'https://api.github.com';
  terminal.print(
    '# For make test-e2e against this deployment. TEST_GITHUB_REPO is a repository with the App',
  );
  terminal.print('# installed, TEST_GITHUB_TOKEN a token that may push there and open pull requests.');
  terminal.print(
    '# Every request carries both headers, CF-Access-Client-Id and CF-Access-Client-Secret: a cookie of an',
  );
  terminal.print('# earlier one does not count, since sign-ins are bound to their browser (binding cookie).');
  if (!github) terminal.print(`export TEST_GITHUB_API_URL=${settings.GITHUB_API_URL}`);
  terminal.print(`export CF_SERVICE_TOKEN_ID=${token.clientId}`);
  if (show) terminal.print(`export CF_SERVICE_TOKEN_SECRET=${token.clientSecret}`);
  else terminal.print(`# The secret is not shown. Into this shell: eval "$(make -s setup-test-token${env})"`);
  terminal.print('#');
  terminal.print('# Into GitHub Actions, in the repository that runs the test (gh asks for each value):');
  terminal.print('#   gh variable set TEST_GITHUB_REPO');
  terminal.print('#   gh secret set TEST_GITHUB_TOKEN');
  for (const name of ['CF_SERVICE_TOKEN_ID', 'CF_SERVICE_TOKEN_SECRET']) {
    terminal.print(
      `#   make -s setup-test-token${env} | sed -n 's/^export ${name}=//p' | gh secret set ${name}`,
    );
  }
}
