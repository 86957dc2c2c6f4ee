import { verify } from '@octokit/webhooks-methods';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commitAndPush, type Fixture, pushBranch, refusal, startFixture } from './github-fixture.ts';

describe('a pull request on the local GitHub', () => {
  let fixture: Fixture;
  const repository = { owner: 'acme', repo: 'shop' };

  beforeAll(async () => {
    fixture = await startFixture();
    await fixture.github.createRepository({ name: 'shop', private: true, files: { 'index.html': 'one\n' } });
  });
  afterAll(() => fixture.close());

  const open = async (branch: string) => {
    const pushed = await pushBranch(fixture, 'writer', 'acme/shop', branch, `${branch}\n`);
    const { data } = await fixture.as('writer').request('POST /repos/{owner}/{repo}/pulls', {
      ...repository,
      title: `Change ${branch}`,
      head: branch,
      base: 'main',
    });
    return { ...pushed, pull: data };
  };

  it('opens from a pushed branch and sends the App a signed delivery', async () => {
    const { pull, sha } = await open('feature/signed');
    expect(pull.head.sha).toBe(sha);
    expect(pull.commits).toBe(1);
    expect(pull.mergeable).toBe(true);
    await fixture.github.deliveriesDone();
    const delivery = fixture.receiver.of('pull_request').find((one) => one.action === 'opened');
    if (!delivery) throw new Error('no delivery for opened');
    const signature = String(delivery.headers['x-hub-signature-256']);
    expect(await verify(fixture.github.app.webhookSecret, delivery.raw, signature)).toBe(true);
    expect(delivery.headers['x-github-hook-installation-target-id']).toBe(String(fixture.github.app.id));
    expect(delivery.payload).toMatchObject({
      number: pull.number,
      pull_request: { head: { sha }, base: { repo: { full_name: 'acme/shop' } } },
      installation: { id: fixture.github.installationId },
      sender: { login: 'writer' },
    });
  });

  it('moves its head with each push, and refs/pull/N/head with it', async () => {
    const { directory, pull, sha: before } = await open('moving');
    const after = await commitAndPush(fixture, directory, 'moving', 'again\n');
    const { data } = await fixture.as('reader').request('GET /repos/{owner}/{repo}/pulls/{pull_number}', {
      ...repository,
      pull_number: pull.number,
    });
    expect(data.head.sha).toBe(after);
    expect(data.commits).toBe(2);
    expect(await fixture.git(directory, 'ls-remote', 'origin', `refs/pull/${pull.number}/head`)).toContain(
      after,
    );
    await fixture.github.deliveriesDone();
    expect(fixture.receiver.of('pull_request').at(-1)?.payload).toMatchObject({
      action: 'synchronize',
      before,
      after,
    });
  });

  it('does not follow its branch while it is closed, and is updated when it is opened again', async () => {
    const { directory, pull, sha } = await open('sleepy');
    const at = { ...repository, pull_number: pull.number };
    const writer = fixture.as('writer');
    await writer.request('PATCH /repos/{owner}/{repo}/pulls/{pull_number}', { ...at, state: 'closed' });
    const after = await commitAndPush(fixture, directory, 'sleepy', 'meanwhile\n');
    const closed = await writer.request('GET /repos/{owner}/{repo}/pulls/{pull_number}', at);
    expect(closed.data.head.sha).toBe(sha);
    const opened = await writer.request('PATCH /repos/{owner}/{repo}/pulls/{pull_number}', {
      ...at,
      state: 'open',
    });
    expect(opened.data.head.sha).toBe(after);
  });

  it('is closed when its branch is deleted, and cannot be opened again without it', async () => {
    const { directory, pull } = await open('doomed');
    await fixture.git(directory, 'push', '--quiet', 'origin', ':doomed');
    const at = { ...repository, pull_number: pull.number };
    const { data } = await fixture.as('writer').request('GET /repos/{owner}/{repo}/pulls/{pull_number}', at);
    expect(data.state).toBe('closed');
    const again = fixture
      .as('writer')
      .request('PATCH /repos/{owner}/{repo}/pulls/{pull_number}', { ...at, state: 'open' });
    expect(await refusal(again)).toMatchObject({
      status: 422,
      message: expect.stringContaining('doomed branch has been deleted'),
    });
  });

  it('is merged by a push that brings its commits to the base', async () => {
    const pushed = await open('by-push');
    await fixture.git(pushed.directory, 'push', '--quiet', 'origin', 'by-push:main');
    await fixture.github.deliveriesDone();
    expect(fixture.receiver.of('pull_request').at(-1)?.payload).toMatchObject({
      action: 'closed',
      pull_request: { number: pushed.pull.number, merged: true },
    });
  });

  it('sends an edit with the previous text', async () => {
    const { pull } = await open('talkative');
    await fixture.as('writer').request('PATCH /repos/{owner}/{repo}/pulls/{pull_number}', {
      ...repository,
      pull_number: pull.number,
      title: 'Another title',
    });
    await fixture.github.deliveriesDone();
    const mine = fixture.receiver.of('pull_request').filter((one) => one.payload['number'] === pull.number);
    expect(mine.map((one) => one.action)).toEqual(['opened', 'edited']);
    expect(mine[1]?.payload).toMatchObject({ changes: { title: { from: 'Change talkative' } } });
  });

  it('is refused without a title, without commits, without a branch, and twice', async () => {
    await open('only-once');
    const writer = fixture.as('writer');
    const create = (body: object) =>
      refusal(
        writer.request('POST /repos/{owner}/{repo}/pulls', {
          ...repository,
          head: 'only-once',
          base: 'main',
          title: 't',
          ...body,
        }),
      );
    expect(await create({ title: '' })).toMatchObject({ status: 422 });
    expect(await create({ head: 'nowhere' })).toMatchObject({ status: 422 });
    expect(await create({ head: 'outsider:main' })).toMatchObject({ status: 422 });
    expect(await create({})).toMatchObject({
      status: 422,
      message: expect.stringContaining('already exists for acme:only-once'),
    });
    expect(await create({ head: 'main' })).toMatchObject({
      message: expect.stringContaining('No commits between'),
    });
    // This differs from the description: `base` is missing, `head` is a number.
    expect(await create({ base: undefined, head: 7 })).toMatchObject({
      status: 422,
      message: expect.stringContaining("'/head'"),
    });
  });

  it('may be read but not pushed to by a reader, and does not exist for an outsider', async () => {
    const { directory } = await open('guarded');
    await fixture.git(
      directory,
      'remote',
      'set-url',
      'origin',
      `${fixture.github.url.replace('://', `://reader:${fixture.github.tokens.reader}@`)}/acme/shop.git`,
    );
    await fixture.git(directory, 'fetch', '--quiet', 'origin');
    await expect(commitAndPush(fixture, directory, 'guarded', 'no\n')).rejects.toThrow(
      /denied to reader|403/,
    );
    await expect(fixture.clone('outsider', 'acme/shop')).rejects.toThrow(/not found/);
    expect(
      await refusal(fixture.as('outsider').request('GET /repos/{owner}/{repo}', repository)),
    ).toMatchObject({ status: 404 });
  });

  it('cannot be forged by pushing to refs/pull', async () => {
    const { directory } = await open('forger');
    await expect(fixture.git(directory, 'push', 'origin', 'HEAD:refs/pull/1/head')).rejects.toThrow(
      /hidden ref|declined|deny/,
    );
  });
});
