# A book and a change of it, through the script: pip install redis msgpack.
import os, pathlib, secrets, time
import msgpack, redis

here = pathlib.Path(__file__).parent
r = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://localhost:6379"))
script = r.register_script((here / "../../proto/redis/publish.lua").read_text())
topic = "tickwire:{book:ACME-USD}"
snapshot = [1, time.time_ns() // 1000, [1001, 300, 0], [1002, 500, 0]]
delta = [0, None, [1001, 250, 0], []]
epoch, nonce = secrets.randbits(47) + 1, secrets.randbits(47) + 1
args = [1, epoch, nonce, "", "2.0.0", "", "", 1024, ""]
for update in (snapshot, delta):
    args += ["", msgpack.packb(update)]
print(script(keys=[topic, topic + ":log", topic + ":base", topic + ":keys"], args=args))
