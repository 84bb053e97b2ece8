import { enableCompileCache } from 'node:module';

// Compiled code is kept between starts: most of a start is compiling the AWS models.
enableCompileCache();
const { run } = await import('./cli/program.ts');
await run(process.argv);
