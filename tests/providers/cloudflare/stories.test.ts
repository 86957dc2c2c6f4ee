import { describe, expect, it } from 'vitest';
import { createTestPlatform } from '../../fakes/create-test-platform.ts';
import { instanceOf } from '../../fakes/instance-of.ts';
import { createStory, hours, minutes } from '../../fakes/story.ts';

describe('Cloudflare', () => {
  it('that refuses to delete a tunnel does not keep the machine running, and the tunnel goes in the end', async () => {
    const story = createStory(createTestPlatform({ config: { TERMINATE_AFTER_SECONDS: '86400' } }));
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    const lingering = { status: 400, code: 1022, message: 'Cannot delete tunnel: active connections' };
    platform.cloudflare.faults.failNext('deleteTunnel', lingering, 3);
    story.close(pull);
    await platform.advance(1_000);
    const [instance = ''] = (await story.whatExists()).instances;
    expect(platform.ec2.find(instance)?.state).toBe('stopped');
    expect((await story.whatExists()).tunnels).toHaveLength(1);
    await platform.advance(minutes(5));
    expect((await story.whatExists()).tunnels).toEqual([]);
    expect((await story.state(pull)).retries).toEqual({});
  });

  it('that locked out the machine and has not deleted its tunnel yet does not prevent a reopening', async () => {
    const story = createStory(createTestPlatform({ config: { TERMINATE_AFTER_SECONDS: '86400' } }));
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    const { generation } = await story.state(pull);
    const lingering = { status: 400, code: 1022, message: 'Cannot delete tunnel: active connections' };
    platform.cloudflare.faults.failNext('deleteTunnel', lingering, 1);
    story.close(pull);
    await platform.advance(1_000);
    story.reopen(pull);
    await platform.advance(minutes(10));
    const { host, hostname = '', ...state } = await story.state(pull);
    expect(state).toMatchObject({ phase: 'ready', generation: generation + 1 });
    expect(platform.hosts.serving(instanceOf(host ? { host } : {}) ?? '')?.sha).toBe(pull.headSha);
    const [tunnel, ...others] = await platform.tunnels.listTunnels();
    expect(others).toEqual([]);
    expect(platform.cloudflare.machine.resolve(hostname)?.content).toBe(`${tunnel?.id}.cfargotunnel.com`);
    expect(['healthy', 'degraded']).toContain(platform.cloudflare.machine.getTunnel(tunnel?.id ?? '').status);
  });

  it('without room for another record is reported and retried, and the preview starts when there is room', async () => {
    const story = createStory();
    const { platform } = story;
    for (let n = 0; n < 200; n += 1) {
      platform.cloudflare.machine.createRecord({ type: 'TXT', name: `t${n}`, content: 'x' });
    }
    const pull = story.openPullRequest();
    await platform.advance(minutes(2));
    expect(story.comment(pull)).toContain('no room for another DNS record');
    for (const { id } of platform.cloudflare.machine.listRecords({}).items.slice(0, 5)) {
      platform.cloudflare.machine.deleteRecord(id);
    }
    await platform.advance(minutes(15));
    expect((await story.state(pull)).phase).toBe('ready');
  });

  it('with a record of somebody else under the same name fails the preview, and that record is kept', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    const theirs = { type: 'CNAME', content: 'somewhere.example.com' };
    platform.watch = async (call, perform) => {
      if (call === 'cloudflare createTunnel') {
        const { hostname = '' } = await story.state(pull);
        platform.cloudflare.machine.createRecord({ ...theirs, name: hostname });
      }
      return perform();
    };
    await platform.advance(minutes(2));
    expect(story.status(pull)).toMatch(/^failure: A DNS record for .* exists and is not ours/);
    story.close(pull);
    await platform.advance(minutes(2));
    expect((await story.whatExists()).records).toEqual([(await story.state(pull)).hostname]);
  });

  it('from which somebody deleted a tunnel gets a new one, and the records lead to it', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(hours(1));
    const { hostname = '', generation } = await story.state(pull);
    const [before] = await platform.tunnels.listTunnels();
    await platform.tunnels.deleteTunnel(before?.id ?? '');
    await platform.sweep('compare');
    await platform.advance(minutes(10));
    const after = await story.state(pull);
    const [tunnel, ...others] = await platform.tunnels.listTunnels();
    expect(others).toEqual([]);
    expect(tunnel?.id).not.toBe(before?.id);
    expect(after.generation).toBe(generation + 1);
    expect(platform.cloudflare.machine.resolve(hostname)?.content).toBe(`${tunnel?.id}.cfargotunnel.com`);
    expect((await story.whatExists()).records).toHaveLength(2);
    expect(after.phase).toBe('ready');
  });
});
