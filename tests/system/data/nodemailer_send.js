// Sends one message by nodemailer: node nodemailer_send.js '{"transport": {...}, "message": {...}}'
const nodemailer = require(process.env.NODEMAILER || '/usr/share/nodejs/nodemailer');
const job = JSON.parse(process.argv[2]);
if (job.ca) job.transport.tls = {ca: require('fs').readFileSync(job.ca), servername: job.servername};
nodemailer.createTransport(job.transport).sendMail(job.message).then(
    info => { console.log(info.response); },
    problem => { console.error(String(problem)); process.exit(1); });
