import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../../local/eventually.ts';
import { setUpGithubApp } from '../../../scripts/setup/github-app.ts';
import { scriptedTerminal } from '../../fakes/scripted-terminal.ts';
import { type GithubAccounts, startGithubAccounts } from './github-accounts.ts';

const executablePath = ['/usr/bin/chromium', '/usr/bin/google-chrome'].find((path) => existsSync(path));

/** The forms alone are tested in github-app.test.ts; what a browser adds is that it follows every redirect itself. */
describe.skipIf(!executablePath)('the GitHub App, made in a browser', () => {
  let accounts: GithubAccounts;
  let browser: Browser;

  beforeAll(async () => {
    accounts = await startGithubAccounts();
    await accounts.github.createRepository({ name: 'shop', files: { 'index.html': 'one\n' } });
    browser = await chromium.launch({ executablePath: String(executablePath), args: ['--no-sandbox'] });
  });
  afterAll(async () => {
    await browser?.close();
    await accounts?.close();
  });

  it('needs three clicks from the page that the terminal shows to repositories that the App sees', async () => {
    const terminal = scriptedTerminal({ GITHUB_APP: 'new', GITHUB_OWNER: 'acme' });
    const { envFile, parameters } = accounts;
    const done = setUpGithubApp({ terminal, environment: await accounts.environment(), envFile, parameters });
    const address = await eventually('the page', 5, async () => {
      const found = /http:\/\/127\.0\.0\.1:\d+\/[\w-]+/.exec(terminal.lines.join('\n'))?.[0];
      return found ? { done: found } : { seen: terminal.lines.join('\n') };
    });
    const page = await browser.newPage();
    await page.goto(address);
    await page.getByRole('button', { name: /Continue on/ }).click();
    await page.getByRole('button', { name: 'Create GitHub App for acme' }).click();
    await page.getByRole('button', { name: 'Install' }).click();
    await page.getByRole('heading', { name: 'Eph team is installed on acme' }).waitFor();
    expect(await done).toMatchObject({ slug: 'eph-team' });
    expect(terminal.lines).toContain('done: Installed on acme: acme/shop');
  });
});
