// The sample application in TypeScript: connects to the conductor of its environment and runs workflows.
import { setTimeout } from 'node:timers/promises';
import { DBOS } from '@dbos-inc/dbos-sdk';

const stepMs = Number(process.env.STEP_MS ?? '300');

const order = DBOS.registerWorkflow(
  async (steps: number) => {
    await DBOS.setEvent('state', 'started');
    for (let step = 1; step <= steps; step++) {
      await DBOS.runStep(() => setTimeout(stepMs), { name: 'pause' });
      await DBOS.writeStream('progress', step);
    }
    return 'done';
  },
  { name: 'order' },
);

const breakDown = (): Promise<never> => Promise.reject(new Error('out of stock'));
const fail = DBOS.registerWorkflow(() => DBOS.runStep(breakDown, { name: 'break_down' }), { name: 'fail' });

const tick = DBOS.registerWorkflow(
  async (_scheduledAt: Date, _context: unknown) => {
    await DBOS.runStep(() => setTimeout(stepMs), { name: 'pause' });
  },
  { name: 'tick' },
);

DBOS.setConfig({
  name: process.env.APP_NAME,
  applicationVersion: '1.0.0',
  systemDatabaseUrl: process.env.DATABASE_URL,
});
DBOS.setAlertHandler(async (name, message, metadata) => {
  console.warn(name, message, metadata);
});
await DBOS.launch({
  conductorURL: process.env.CONDUCTOR_URL,
  conductorKey: process.env.CONDUCTOR_KEY,
});
await DBOS.registerQueue('mail', { workerConcurrency: 2 });
await DBOS.applySchedules([{ scheduleName: 'nightly', workflowFn: tick, schedule: '0 0 3 * * *' }]);
for (let number = 1; number <= Number(process.env.WORKFLOWS ?? '0'); number++) {
  await DBOS.startWorkflow(order, { workflowID: `order-${number}` })(5);
  if (number === 1) {
    await DBOS.send('order-1', 'hello', 'greeting');
    await DBOS.startWorkflow(fail, { workflowID: 'failed-1' })();
    await DBOS.startWorkflow(order, { workflowID: 'queued-1', queueName: 'mail' })(5);
  }
}
console.log('ready', DBOS.executorID);
