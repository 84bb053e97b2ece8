"""Signs the drafts given as JSON on stdin with botocore and prints the requests as JSON."""
import json
import sys
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

out = []
for draft in json.load(sys.stdin):
    s3 = draft["style"] == "s3"
    credentials = Credentials(draft["accessKeyId"], draft["secret"], draft.get("sessionToken"))
    headers = dict(draft["headers"])
    request = AWSRequest(draft["method"], "http://127.0.0.1:4566" + draft["target"], headers=headers, data=draft.get("body") if draft["form"] == "header" else None)
    if draft["form"] == "query":
        signer = (S3SigV4QueryAuth if s3 else SigV4QueryAuth)(credentials, draft["service"], draft["region"], expires=600)
    else:
        signer = (S3SigV4Auth if s3 else SigV4Auth)(credentials, draft["service"], draft["region"])
    signer.add_auth(request)
    parts = urlsplit(request.url)
    raw = [item for pair in request.headers.items() for item in pair]
    if "host" not in [name.lower() for name in raw[::2]]:
        raw += ["Host", parts.netloc]
    out.append({
        "target": (parts.path or "/") + ("?" + parts.query if parts.query else ""),
        "rawHeaders": [item.decode() if isinstance(item, bytes) else item for item in raw],
        "timestamp": request.context["timestamp"],
    })
json.dump(out, sys.stdout)
