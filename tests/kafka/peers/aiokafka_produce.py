"""Sends numbered records with aiokafka's producer.

usage: aiokafka_produce.py BOOTSTRAP TOPIC PARTITIONS COUNT [ca=FILE] [mechanism=NAME user=NAME password=WORD]
"""
import asyncio
import sys

from aiokafka import AIOKafkaProducer
from aiokafka.helpers import create_ssl_context


async def main(bootstrap, topic, partitions, count, *words):
    given = dict(word.split("=", 1) for word in words)
    config = {"enable_idempotence": True, "acks": "all", "bootstrap_servers": bootstrap.split(",")}
    secured = "ca" in given
    if secured:
        config["ssl_context"] = create_ssl_context(cafile=given["ca"])
    if "mechanism" in given:
        config["security_protocol"] = "SASL_SSL" if secured else "SASL_PLAINTEXT"
        config["sasl_mechanism"] = given["mechanism"]
        config["sasl_plain_username"], config["sasl_plain_password"] = given["user"], given["password"]
    elif secured:
        config["security_protocol"] = "SSL"
    producer = AIOKafkaProducer(**config)
    await producer.start()
    try:
        sent = []
        for number in range(int(count)):
            value = str(number).encode()
            sent.append(await producer.send(topic, value, partition=number % int(partitions)))
        acknowledged = await asyncio.gather(*sent)
        print(len(acknowledged), "acknowledged")
    finally:
        await producer.stop()


asyncio.run(main(*sys.argv[1:]))
