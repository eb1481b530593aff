"""What a stranger does with the official Python client for Kubernetes, with nothing but a kubeconfig.

    python_client.py KUBECONFIG CASE...    prints what each CASE saw, as one line of JSON

It knows of no gateway: the same cases run at the API server itself, and must see the same. An error that nothing here
expects ends it with a traceback.
"""

import json
import sys

from kubernetes import client, config, dynamic, watch
from kubernetes.client.rest import ApiException
from kubernetes.stream import portforward, stream
from kubernetes.stream.ws_client import ERROR_CHANNEL

NAMESPACE = 'team-a'
POD = 'web'


def refused(ask):
    """How the API refused: the Status of the ApiException, and what a program reads of it."""
    try:
        ask()
    except ApiException as error:
        status = json.loads(error.body)
        causes = [cause.get('reason') for cause in (status.get('details') or {}).get('causes') or []]
        return {key: status.get(key) for key in ('kind', 'status', 'reason', 'code', 'message')} | {'http': error.status, 'causes': causes}
    raise AssertionError('it was not refused')


def config_map(name, **data):
    return {'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': name, 'labels': {'by': 'python'}}, 'data': data}


def objects():
    """A ConfigMap from its creation to its end, and a watch that sees it all."""
    core = client.CoreV1Api()
    before = core.list_namespaced_config_map(NAMESPACE, label_selector='by=python')
    created = core.create_namespaced_config_map(NAMESPACE, config_map('python', a='1'))
    patched = core.patch_namespaced_config_map('python', NAMESPACE, {'data': {'b': '2'}})
    applied = core.patch_namespaced_config_map(
        'python', NAMESPACE, config_map('python', c='3'), field_manager='python', _content_type='application/apply-patch+yaml'
    )
    listed = core.list_namespaced_config_map(NAMESPACE, label_selector='by=python')
    deleted = core.delete_namespaced_config_map('python', NAMESPACE)
    watched = []
    watching = watch.Watch()
    since = before.metadata.resource_version
    for event in watching.stream(
        core.list_namespaced_config_map, NAMESPACE, label_selector='by=python', resource_version=since, timeout_seconds=30
    ):
        watched.append([event['type'], event['object'].data])
        if event['type'] == 'DELETED':
            watching.stop()
    return {
        'before': len(before.items),
        'created': created.data,
        'patched': patched.data,
        'applied': applied.data,
        'listed': [item.metadata.name for item in listed.items],
        'deleted': deleted['status'],
        'watched': watched,
    }


def pages():
    """A list in pieces, as `continue` hands them out."""
    core = client.CoreV1Api()
    names, token = [], None
    while True:
        page = core.list_namespaced_pod(NAMESPACE, limit=1, _continue=token)
        names += [pod.metadata.name for pod in page.items]
        token = page.metadata._continue
        if not token:
            return sorted(names)


def logs():
    """The end of a log, and how it goes on until three lines came."""
    core = client.CoreV1Api()
    whole = core.read_namespaced_pod_log(POD, NAMESPACE, tail_lines=1)
    followed = []
    watching = watch.Watch()
    for line in watching.stream(core.read_namespaced_pod_log, POD, NAMESPACE, tail_lines=1):
        followed.append(line)
        if len(followed) == 3:
            watching.stop()
    return {'whole': whole, 'followed': followed}


def run(*command, **options):
    """The stream of a command in the pod, not read yet."""
    streams = {'stdin': False, 'stdout': True, 'stderr': True, 'tty': False, '_preload_content': False} | options
    return stream(client.CoreV1Api().connect_get_namespaced_pod_exec, POD, NAMESPACE, command=list(command), **streams)


def executes():
    """Commands in the pod: what they write, what they read, how they end, by both names of the verb."""
    both = run('sh', '-c', 'echo out; echo err >&2')
    both.run_forever(timeout=20)
    failed = run('sh', '-c', 'exit 3')
    failed.run_forever(timeout=20)
    reading = run('sh', '-c', 'read a; echo "$a"; read b; echo "$b"', stdin=True)
    reading.write_stdin('one\n')
    first = reading.readline_stdout(timeout=20)
    reading.write_stdin('two\n')
    reading.run_forever(timeout=20)
    much = run('head', '-c', '3000000', '/dev/zero', binary=True)
    much.run_forever(timeout=20)
    posted = stream(
        client.CoreV1Api().connect_post_namespaced_pod_exec, POD, NAMESPACE, command=['echo', 'posted'], stdout=True, stderr=False
    )
    return {
        'both': [both.read_stdout(), both.read_stderr(), both.returncode],
        # Its own `returncode` reads a number that kwok does not send.
        'failed': failed.read_channel(ERROR_CHANNEL),
        'reading': [first, reading.read_stdout(), reading.returncode],
        'much': len(much.read_stdout()),
        'posted': posted,
    }


def attaches():
    """What a container says while somebody listens."""
    said = stream(client.CoreV1Api().connect_get_namespaced_pod_attach, POD, NAMESPACE, stdout=True, stderr=True, _preload_content=False)
    line = said.readline_stdout(timeout=20)
    said.close()
    return line


def forwards():
    """Two ports of the pod, each of which sends back what it gets."""
    forward = portforward(client.CoreV1Api().connect_get_namespaced_pod_portforward, POD, NAMESPACE, ports='80,81')
    answers = []
    for port in (80, 81):
        connection = forward.socket(port)
        connection.setblocking(True)
        connection.settimeout(20)
        connection.sendall(b'to %d' % port)
        answers.append(connection.recv(100).decode())
        connection.close()
    return {'answers': answers, 'errors': [forward.error(80), forward.error(81)]}


def discovers():
    """The client that knows no kinds but asks for them."""
    found = dynamic.DynamicClient(client.ApiClient())
    maps = found.resources.get(api_version='v1', kind='ConfigMap')
    roles = found.resources.get(api_version='rbac.authorization.k8s.io/v1', kind='RoleBinding')
    created = maps.create(body=config_map('dynamic', a='1'), namespace=NAMESPACE)
    applied = maps.server_side_apply(body=config_map('dynamic', b='2'), namespace=NAMESPACE, field_manager='dynamic')
    listed = maps.get(namespace=NAMESPACE, label_selector='by=python')
    watched = next(iter(maps.watch(namespace=NAMESPACE, label_selector='by=python', timeout=30)))['type']
    maps.delete(name='dynamic', namespace=NAMESPACE)
    return {
        'version': found.version['kubernetes']['major'],
        'plural': [maps.name, roles.name],
        'created': created.data.to_dict(),
        'applied': applied.data.to_dict(),
        'listed': [item.metadata.name for item in listed.items],
        'watched': watched,
    }


def reviews():
    """Who the API server says it is."""
    me = client.AuthenticationV1Api().create_self_subject_review({'apiVersion': 'authentication.k8s.io/v1', 'kind': 'SelfSubjectReview'})
    return {'username': me.status.user_info.username, 'groups': sorted(me.status.user_info.groups)}


def refusals():
    """What is not there, and what is not allowed, by plain requests and by streams."""
    core = client.CoreV1Api()
    execute = core.connect_get_namespaced_pod_exec
    return {
        'absent': refused(lambda: core.read_namespaced_config_map('absent', NAMESPACE)),
        'forbidden': refused(lambda: core.list_namespaced_secret('team-b')),
        'twice': refused(lambda: core.create_namespaced_config_map(NAMESPACE, config_map('settings'))),
        'invalid': refused(lambda: core.create_namespaced_config_map(NAMESPACE, config_map('No Name'))),
        'watch': refused(lambda: list(watch.Watch().stream(core.list_namespaced_secret, 'team-b', timeout_seconds=5))),
        'exec absent': unopened(lambda: stream(execute, 'absent', NAMESPACE, command=['id'], stdout=True)),
        'exec forbidden': unopened(lambda: stream(execute, POD, 'team-b', command=['id'], stdout=True)),
    }


def unopened(ask):
    """How a stream did not open. The client puts all of the answer into its reason, and the body with it."""
    try:
        ask()
    except ApiException as error:
        return (error.reason or '').split(' -+-+- ')[0]
    raise AssertionError('it was not refused')


def unknown():
    """A caller whose bearer is none."""
    core = client.CoreV1Api()
    execute = core.connect_get_namespaced_pod_exec
    return {
        'list': refused(lambda: core.list_namespaced_config_map(NAMESPACE)),
        'exec': unopened(lambda: stream(execute, POD, NAMESPACE, command=['id'], stdout=True)),
    }


def impersonates():
    """As somebody else, in each way that a header can be set."""
    found = {}
    for name, value in (
        ('Impersonate-User', 'system:admin'),
        ('Impersonate-Group', 'system:masters'),
        ('impersonate-uid', '0'),
        ('Impersonate-Extra-scopes', 'all'),
        ('Impersonate_User', 'system:admin'),
    ):
        api = client.ApiClient(header_name=name, header_value=value)
        found[name] = refused(lambda api=api: client.CoreV1Api(api).list_namespaced_config_map(NAMESPACE))
    return found


CASES = (objects, pages, logs, executes, attaches, forwards, discovers, reviews, refusals, unknown, impersonates)

if __name__ == '__main__':
    _, kubeconfig, *wanted = sys.argv
    config.load_kube_config(kubeconfig)
    print(json.dumps({case.__name__: case() for case in CASES if case.__name__ in wanted}))
