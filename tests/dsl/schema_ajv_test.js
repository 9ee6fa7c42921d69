// SPDX-License-Identifier: Apache-2.0
// A second foreign validator (ajv, Debian's node-ajv) says of programs what python3-jsonschema says.
//   node schema_ajv_test.js SCHEMA GOLDEN_FOLDER
const fs = require('fs');
let Ajv;
try {
  Ajv = require('ajv');
} catch {
  console.log('skipped: the package node-ajv is not installed');
  process.exit(77);
}
const [schema, golden] = process.argv.slice(2);
const validate = new Ajv({allErrors: true}).compile(JSON.parse(fs.readFileSync(schema)));
let failures = 0;
const expect = (what, program, good) => {
  if (validate(program) === good) return;
  ++failures;
  console.log(`${what}: ${good ? 'refused: ' + JSON.stringify(validate.errors[0]) : 'accepted'}`);
};
const programs = fs.readdirSync(golden).filter((name) => name.endsWith('.json'));
for (const name of programs) {
  const program = JSON.parse(fs.readFileSync(`${golden}/${name}`));
  expect(name, program, true);
  for (const member of ['command', 'pid']) {
    const broken = {...program[0]};
    delete broken[member];
    expect(`${name} without ${member}`, [broken], false);
  }
}
const limits = (command, member, least, most) => {
  for (const [value, good] of [[least, true], [most, true], [least - 1, false], [most + 1, false]]) {
    expect(`${command.command} ${member} ${value}`, [{...command, [member]: value}], good);
  }
};
limits({command: 'FORK', pid: 0}, 'child_pid', 1, 4194303);
limits({command: 'SET_SID'}, 'pid', 0, 4194303);
limits({command: 'CLOSE_FD', pid: 1}, 'fd', 0, 1073741823);
limits({command: 'DUP_FD', pid: 1, old_fd: 0}, 'new_fd', 0, 1073741823);
console.log(`${programs.length} programs, ${failures} failures`);
process.exit(failures || !programs.length ? 1 : 0);
