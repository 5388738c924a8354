// Judges messages with Amazon's sns-validator, unchanged. Standard input: a JSON list of {name, body, pem}, the body in
// base64. Prints one JSON line a message. Nothing leaves the machine: the certificate's URL answers with the given pem.
'use strict'

const https = require('https')
const http = require('http')
const { EventEmitter } = require('events')

setTimeout(() => process.exit(70), 120000).unref()

let pem = ''
https.get = (url, answer) => {
  const response = new EventEmitter()
  response.statusCode = 200
  process.nextTick(() => {
    answer(response)
    response.emit('data', Buffer.from(pem))
    response.emit('end')
  })
  return new EventEmitter()
}
for (const sender of [http, https]) {
  sender.request = () => { throw new Error('nothing may leave the machine') }
}

const judge = (body) => new Promise((resolve) => {
  // It keeps certificates by their URL.
  delete require.cache[require.resolve('sns-validator')]
  const Validator = require('sns-validator')
  try {
    new Validator().validate(body, (error) => resolve(error))
  } catch (error) {
    resolve(error)
  }
})

const main = async () => {
  for (const one of JSON.parse(require('fs').readFileSync(0, 'utf8'))) {
    pem = one.pem
    const error = await judge(Buffer.from(one.body, 'base64').toString('utf8'))
    console.log(JSON.stringify({ name: one.name, accepted: !error, why: error ? String(error.message) : null }))
  }
}
main()
