/* The real xfedctl against a control socket with canned answers: what it prints, and its exit status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include <uv.h>

#include "xfed/rt/control.h"
#include "xfed/rt/log.h"

static uv_loop_t loop;
static struct rt_control *control;
static char dir[64], path[100];
static const char *canned;

static void answer(struct rt_reply reply, const json_t *args, void *user)
{
	if (strncmp(canned, "fail ", 5) == 0) {
		rt_reply_fail(reply, "not-found", "%s", canned + 5);
		return;
	}
	json_t *j = json_loads(canned, 0, NULL), *step;
	assert_non_null(j);
	/* As a test does: each step but the last is told before the answer. */
	json_t *steps = json_object_get(j, "took_ms") ? json_object_get(j, "steps") : NULL;
	for (size_t i = 0; i + 1 < json_array_size(steps); i++) {
		step = json_array_get(steps, i);
		rt_reply_part(reply, json_incref(step));
	}
	/* What xfedctl asked with comes back, so that the rows see it. */
	if (json_object_size(args) > 0) {
		json_object_set(j, "args", (json_t *)(uintptr_t)args);
	}
	rt_reply_ok(reply, j);
}

/* Everything a service does but log level. */
static rt_command_handler *handlers[RT_COMMAND_COUNT];
static const struct rt_command_table commands = { rt_commands, handlers, RT_COMMAND_COUNT };

static int setup(void **state)
{
	char error[256];
	signal(SIGPIPE, SIG_IGN);
	rt_log_set_level(RT_LOG_ERROR); /* audit lines are not what is tested here */
	uv_loop_init(&loop);
	snprintf(dir, sizeof(dir), "/tmp/xfed-test-ctl-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%.60s/gw1.sock", dir);
	for (size_t i = 0; i < RT_COMMAND_COUNT; i++) {
		bool is_served = rt_commands[i].server != RT_COMMAND_OF_XFEDCTL && strcmp(rt_commands[i].noun, "log") != 0;
		handlers[i] = is_served ? answer : NULL;
	}
	return rt_control_new(&loop, path, &commands, NULL, &control, error);
}

static int teardown(void **state)
{
	rt_control_free(control);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(rmdir(dir), 0);
	return uv_loop_close(&loop);
}

struct result {
	int status;
	char out[16384], err[4096];
};

static void drain(int fd, char *text, size_t size)
{
	size_t len = strlen(text);
	ssize_t n = read(fd, text + len, size - 1 - len);
	if (n > 0) {
		text[len + (size_t)n] = '\0';
	}
}

static void run(const char *const *argv, struct result *r)
{
	int out[2], err[2], status = -1;
	memset(r, 0, sizeof(*r));
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		dup2(out[1], STDOUT_FILENO);
		dup2(err[1], STDERR_FILENO);
		execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	close(out[1]);
	close(err[1]);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(err[0], F_SETFL, O_NONBLOCK);
	while (waitpid(child, &status, WNOHANG) == 0) {
		uv_run(&loop, UV_RUN_NOWAIT);
		drain(out[0], r->out, sizeof(r->out));
		drain(err[0], r->err, sizeof(r->err));
	}
	drain(out[0], r->out, sizeof(r->out));
	drain(err[0], r->err, sizeof(r->err));
	close(out[0]);
	close(err[0]);
	r->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

#define STATUS(problems, edges)                                                                                                                      \
	"{\"name\":\"gw1\",\"role\":\"gateway\",\"version\":\"0.1.0\",\"uptime_s\":93784,\"pid\":7,\"state\":\"in-service\","                        \
	"\"problems\":[" problems "],\"channel\":[{\"peer\":\"edge1\",\"up\":true,\"since\":1769860800,\"rtt_ms\":1.25},"                            \
	"{\"peer\":\"edge2\",\"up\":false,\"since\":1769860800,\"reason\":\"channel.timeout\"}],\"streams\":{\"in\":3,\"out\":2},"                   \
	"\"deliveries_in_flight\":4,\"policy\":{\"epoch\":1,\"revision\":7,\"hash\":\"abcdef0123456789\",\"partners\":12}" edges "}"

#define PARTNER                                                                                                                                      \
	"\"domain\":\"fabrikam.example\",\"additional_domains\":[\"*.it.fabrikam.example\"],\"partner_type\":\"federated\","                         \
	"\"tls\":\"required\",\"sasl\":\"optional\",\"dialback\":true,\"keepalive\":true,\"limits\":{\"connections\":20,"                            \
	"\"stanzas_per_second\":200,\"stanza_size\":65536},\"kinds\":[\"message\",\"iq\"],\"dane\":\"off\",\"trust\":{\"ca\":false,"                 \
	"\"pins\":[]},\"matrix\":{\"row\":7,\"methods\":[\"external\",\"dialback-tls\"]}"

#define STREAM                                                                                                                                       \
	"{\"id\":7,\"local\":\"example.com\",\"remote\":\"fabrikam.example\",\"direction\":\"in\",\"state\":\"ready\",\"tls\":\"1.3\","              \
	"\"cipher\":\"AES-256-GCM\",\"method\":\"external\",\"peer_address\":\"192.0.2.1:40000\",\"age_s\":65,\"idle_s\":5,"                         \
	"\"queued\":0,\"edge\":\"edge1\"}"

#define FAILURE                                                                                                                                      \
	"\"id\":17,\"at\":1769860760,\"last\":1769860800,\"count\":3,\"edge\":\"edge1\",\"direction\":\"out\","                                      \
	"\"local\":\"example.com\",\"remote\":\"fabrikam.example\",\"reason\":\"tls.cert.expired\",\"side\":\"partner\","                            \
	"\"text\":\"said \\u001b[31m\",\"remedy\":\"The partner has to renew it.\""

/* clang-format off */
static const struct {
	const char *name;
	const char *words[6];
	const char *canned, *out, *err;
	int status;
} rows[] = {
	{ "status", { "status" }, STATUS("", ""),
		"gw1 (gateway) 0.1.0: in service, up 1d 2h\n"
		"  channel to edge1      up since 2026-01-31T12:00:00Z, round trip 1.2 ms\n"
		"  channel to edge2      DOWN since 2026-01-31T12:00:00Z channel.timeout\n"
		"  streams               3 in, 2 out\n"
		"  deliveries in flight  4\n"
		"  policy                12 partners, revision 1.7, hash abcdef012345\n", "", 0 },
	{ "status with a problem",
		{ "status" }, STATUS("{\"reason\":\"channel.timeout\",\"text\":\"edge2 \\u001b[31m\",\"since\":1769860800}", ""),
		"gw1 (gateway) 0.1.0: in service, up 1d 2h\n"
		"  PROBLEM channel.timeout since 2026-01-31T12:00:00Z: edge2 ?[31m\n"
		"  channel to edge1      up since 2026-01-31T12:00:00Z, round trip 1.2 ms\n"
		"  channel to edge2      DOWN since 2026-01-31T12:00:00Z channel.timeout\n"
		"  streams               3 in, 2 out\n"
		"  deliveries in flight  4\n"
		"  policy                12 partners, revision 1.7, hash abcdef012345\n", "", 1 },
	{ "status of an edge inside",
		{ "status" },
		"{\"name\":\"gw1\",\"role\":\"gateway\",\"version\":\"0.1.0\",\"uptime_s\":1,\"state\":\"in-service\",\"problems\":[],\"channel\":[],"
		"\"streams\":{\"in\":0,\"out\":0},\"deliveries_in_flight\":0,\"edges\":[{\"name\":\"edge1\",\"role\":\"edge\",\"version\":\"0.1.0\","
		"\"uptime_s\":59,\"state\":\"out-of-service\",\"problems\":[{\"reason\":\"channel.down\",\"text\":\"no gateway\",\"since\":0}],"
		"\"channel\":[],\"streams\":{\"in\":0,\"out\":0},\"deliveries_in_flight\":0}]}",
		"gw1 (gateway) 0.1.0: in service, up 1s\n"
		"  streams               0 in, 0 out\n  deliveries in flight  0\n  policy                none yet\n"
		"  edge1 (edge) 0.1.0: OUT OF SERVICE, up 59s\n"
		"    PROBLEM channel.down since 1970-01-01T00:00:00Z: no gateway\n"
		"    streams               0 in, 0 out\n    deliveries in flight  0\n    policy                none yet\n", "", 1 },
	{ "no streams", { "stream", "list" }, "{\"streams\":[]}", "no streams\n", "", 0 },
	{ "streams", { "stream", "list" }, "{\"streams\":[" STREAM "]}",
		"ID       LOCAL        -   REMOTE            STATE  METHOD    TLS  CIPHER       ADDRESS          AGE    IDLE  QUEUED\n"
		"edge1/7  example.com  <-  fabrikam.example  ready  external  1.3  AES-256-GCM  192.0.2.1:40000  1m 5s  5s    0\n", "", 0 },
	{ "partners", { "partner", "list" }, "{\"partners\":[{" PARTNER "}]}",
		"DOMAIN            TYPE       TLS       SASL      DIALBACK  METHODS                 DESCRIPTION\n"
		"fabrikam.example  federated  required  optional  yes       external, dialback-tls  -\n", "", 0 },
	{ "partner", { "partner", "show", "fabrikam.example" }, "{" PARTNER ",\"presence\":{\"on-the-phone\":\"dnd\",\"xmpp-dnd\":\"none\"},\"streams\":[]}",
		"domain              fabrikam.example\n"
		"description         -\n"
		"additional domains  *.it.fabrikam.example\n"
		"type                federated\n"
		"tls                 required\n"
		"sasl                optional\n"
		"dialback            true\n"
		"methods             external, dialback-tls\n"
		"together            fine\n"
		"connect to          SRV records\n"
		"keepalive           true\n"
		"limits, per edge    20 connections, 200 stanzas per second, 65536 bytes a stanza\n"
		"kinds               message, iq\n"
		"presence            on-the-phone: dnd, xmpp-dnd: none\n"
		"own authorities     no\n"
		"pins                -\n"
		"dane                off\n"
		"\nno streams\n", "", 0 },
	{ "partner that is not there", { "partner", "show", "x.example" }, "fail no partner is called x.example", "",
		"xfedctl: gw1: no partner is called x.example\n", 1 },
	{ "no failures", { "failures", "list" }, "{\"failures\":[]}", "no failures\n", "", 0 },
	{ "failures", { "failures", "list", "fabrikam.example", "limit=1" }, "{\"failures\":[{" FAILURE "}],\"next\":17}",
		"ID  LAST SEEN             TIMES  EDGE   LOCAL        -   REMOTE            REASON            AT FAULT  TEXT\n"
		"17  2026-01-31T12:00:00Z  3      edge1  example.com  ->  fabrikam.example  tls.cert.expired  partner   said ?[31m\n"
		"older ones: the same command with before=17\n", "", 0 },
	{ "failures are filtered by the service", { "--json", "failures", "list", "before=9", "a.example", "limit=7" }, "{}",
		"{\n  \"args\": {\n    \"before\": 9,\n    \"partner\": \"a.example\",\n    \"limit\": 7\n  }\n}\n", "", 0 },
	{ "a filter nobody knows", { "failures", "list", "from=x" }, "{}", "",
		"xfedctl: \"from=x\": DOMAIN is a domain such as fabrikam.example\nusage: xfedctl failures list [DOMAIN] [since=TIME] [limit=N] [before=ID]\n", 2 },
	{ "a time nobody knows", { "failures", "list", "since=yesterday" }, "{}", "",
		"xfedctl: \"since=yesterday\": since is how long ago: 90s, 30m, 2h or 7d\nusage: xfedctl failures list [DOMAIN] [since=TIME] [limit=N] [before=ID]\n", 2 },
	{ "two domains", { "failures", "list", "a.example", "b.example" }, "{}", "",
		"xfedctl: \"b.example\": one word too many\nusage: xfedctl failures list [DOMAIN] [since=TIME] [limit=N] [before=ID]\n", 2 },
	{ "a number that is none", { "failures", "list", "limit=1x" }, "{}", "",
		"xfedctl: \"limit=1x\": limit is a number from 1\nusage: xfedctl failures list [DOMAIN] [since=TIME] [limit=N] [before=ID]\n", 2 },
	{ "a failure", { "failures", "show", "17" },
		"{" FAILURE ",\"correlation\":\"e1-7d\",\"steps\":[{\"at_ms\":0,\"step\":\"dns\",\"ok\":true,\"detail\":\"SRV x.example:5269\"},"
		"{\"at_ms\":12,\"step\":\"tcp\",\"ok\":true},{\"at_ms\":81,\"step\":\"certificate\",\"ok\":false,\"detail\":\"expired\"}],"
		"\"facts\":[{\"name\":\"peer_address\",\"value\":\"192.0.2.5:5269\"}],\"chain\":[{\"subject\":\"CN=fabrikam.example\","
		"\"issuer\":\"CN=CA\",\"serial\":\"0a1b\",\"sha256\":\"00ff\",\"not_before\":1700000000,\"not_after\":1769860800,"
		"\"eku\":[\"serverAuth\"],\"names\":[\"dns:fabrikam.example\",\"xmpp:fabrikam.example\"]},{\"subject\":\"CN=CA\","
		"\"issuer\":\"CN=CA\",\"serial\":\"01\",\"sha256\":\"11\",\"not_before\":0,\"not_after\":1,\"eku\":[],\"names\":[]}]}",
		"17: tls.cert.expired, at fault: partner\n"
		"The partner has to renew it.\n"
		"\n"
		"  from and to    example.com -> fabrikam.example\n"
		"  last seen      2026-01-31T12:00:00Z\n"
		"  times          3 since 2026-01-31T11:59:20Z\n"
		"  seen by        edge1\n"
		"  what was said  said ?[31m\n"
		"  correlation    e1-7d\n"
		"  peer_address   192.0.2.5:5269\n"
		"\n"
		"steps, in milliseconds since the attempt began\n"
		"  0   dns          ok      SRV x.example:5269\n"
		"  12  tcp          ok      -\n"
		"  81  certificate  FAILED  expired\n"
		"\n"
		"certificate 1 of 2, the partner's own\n"
		"  subject    CN=fabrikam.example\n"
		"  issuer     CN=CA\n"
		"  valid      2023-11-14T22:13:20Z to 2026-01-31T12:00:00Z\n"
		"  names      dns:fabrikam.example\n"
		"             xmpp:fabrikam.example\n"
		"  key usage  serverAuth\n"
		"  serial     0a1b\n"
		"  sha256     00ff\n"
		"\n"
		"certificate 2 of 2\n"
		"  subject    CN=CA\n"
		"  issuer     CN=CA\n"
		"  valid      1970-01-01T00:00:00Z to 1970-01-01T00:00:01Z\n"
		"  names      none\n"
		"  key usage  none\n"
		"  serial     01\n"
		"  sha256     11\n", "", 0 },
	{ "a failure of the gateway's own, little known", { "failures", "show", "1" },
		"{\"id\":1,\"at\":0,\"last\":0,\"count\":1,\"direction\":\"in\",\"local\":\"a.example\",\"remote\":\"b.example\","
		"\"reason\":\"x.y\",\"side\":\"us\",\"steps\":[],\"facts\":[],\"chain\":[],\"unreadable\":true}",
		"1: x.y, at fault: us\n"
		"This version does not know the reason; the edge is newer.\n"
		"\n"
		"  from and to  a.example <- b.example\n"
		"  last seen    1970-01-01T00:00:00Z\n"
		"  seen by      this gateway\n"
		"\n"
		"steps and certificates cannot be read: the store is damaged\n", "", 0 },
	{ "a failure that is not there", { "failures", "show", "99" }, "fail no failure has the number 99", "",
		"xfedctl: gw1: no failure has the number 99\n", 1 },
	{ "a failure without number", { "failures", "show", "x" }, "{}", "",
		"xfedctl: \"x\": ID is the number of a failure, as failures list shows it\nusage: xfedctl failures show ID\n", 2 },
	{ "configuration", { "config", "show" }, "{\"text\":\"name: \\\"gw1\\\"\\nx: 1\\n\"}", "name: \"gw1\"\nx: 1\n", "", 0 },
	{ "reload", { "reload" }, "{\"ok\":true,\"errors\":[],\"warnings\":[\"a:1:2:k: warning: w\"],\"revision\":8}",
		"a:1:2:k: warning: w\nfine, 1 warning, revision 8\n", "", 0 },
	{ "reload of a broken file", { "reload" }, "{\"ok\":false,\"errors\":[\"a:1:2:k: e\"],\"warnings\":[]}",
		"a:1:2:k: e\n1 error, nothing takes effect\n", "", 1 },
	{ "JSON", { "--json", "partner", "show", "a.example" }, "{\"domain\":\"\xc3\xbc\"}",
		"{\n  \"domain\": \"\\u00FC\",\n  \"args\": {\n    \"domain\": \"a.example\"\n  }\n}\n", "", 0 },
	{ "JSON with a problem", { "--json", "reload" }, "{\"ok\":false,\"errors\":[],\"warnings\":[]}",
		"{\n  \"ok\": false,\n  \"errors\": [],\n  \"warnings\": []\n}\n", "", 1 },
	{ "JSON of an error", { "--json", "config", "check" }, "fail no", "{\n  \"error\": {\n    \"code\": \"not-found\",\n    \"text\": \"no\"\n  }\n}\n",
		"xfedctl: gw1: no\n", 1 },
	{ "a command the service does not know", { "log", "level", "debug" }, "{}", "", "xfedctl: gw1: this service has no such command\n", 2 },
	{ "explain", { "explain", "dns.timeout" }, "{}",
		"No DNS server answered: check dns.servers and the firewall; where dns.servers is not set, those of /etc/resolv.conf are asked.\n"
		"  code                                           dns.timeout\n"
		"  side at fault, unless the line says otherwise  network\n"
		"  an XMPP sender gets                            remote-server-timeout\n"
		"  the stream is closed with                      -\n"
		"  a SIP sender gets                              504\n", "", 0 },
	{ "explain a code nobody knows", { "explain", "stream.bogus" }, "{}", "", NULL, 1 },
	{ "a filter as an option", { "--json", "failures", "list", "--partner", "a.example" }, "{}", "{\n  \"args\": {\n    \"partner\": \"a.example\"\n  }\n}\n",
		"", 0 },
	{ "an option without value", { "failures", "list", "--limit" }, "{}", "",
		"xfedctl: \"--limit\": DOMAIN is a domain such as fabrikam.example\nusage: xfedctl failures list [DOMAIN] [since=TIME] [limit=N] [before=ID]\n", 2 },
	{ "an option nobody knows", { "failures", "list", "--colour", "red" }, "{}", "",
		"xfedctl: \"--colour\": DOMAIN is a domain such as fabrikam.example\nusage: xfedctl failures list [DOMAIN] [since=TIME] [limit=N] [before=ID]\n", 2 },
	{ "retry by number", { "--json", "failures", "retry", "17" }, "{}", "{\n  \"args\": {\n    \"id\": 17\n  }\n}\n", "", 0 },
	{ "retry by domain", { "--json", "failures", "retry", "1und1.example" }, "{}", "{\n  \"args\": {\n    \"domain\": \"1und1.example\"\n  }\n}\n", "", 0 },
	{ "retry", { "failures", "retry", "a.example" },
		"{\"pairs\":[{\"edge\":\"edge1\",\"local\":\"example.com\",\"remote\":\"a.example\",\"state\":\"resolving\",\"queued\":0},"
		"{\"edge\":\"edge2\",\"local\":\"example.com\",\"remote\":\"a.example\",\"state\":\"ready\",\"queued\":0}]}",
		"edge1: example.com -> a.example: dialling; stream list or failures list shows how it went\n"
		"edge2: example.com -> a.example: a stream is open\n", "", 0 },
	{ "a stream", { "stream", "show", "edge1/7" },
		"{\"id\":7,\"local\":\"example.com\",\"remote\":\"fabrikam.example\",\"direction\":\"in\",\"state\":\"ready\",\"tls\":\"TLS1.3\","
		"\"cipher\":\"AES-256-GCM\",\"method\":\"dialback-tls\",\"peer_address\":\"192.0.2.1:40000\",\"age_s\":65,\"idle_s\":5,\"queued\":0,"
		"\"edge\":\"edge1\",\"stanzas_in\":3,\"stanzas_out\":0,\"paused\":true,\"stream_management\":{\"received\":3,\"acknowledged\":2},"
		"\"certificate_problem\":\"tls.cert.untrusted\",\"certificate\":{"
		"\"subject\":\"CN=fabrikam \\u001b[31m\",\"issuer\":\"CN=CA\",\"serial\":\"01\",\"sha256\":\"00ff\",\"not_before\":0,\"not_after\":1769860800,"
		"\"eku\":[\"serverAuth\"],\"names\":[\"dns:fabrikam.example\",\"xmpp:fabrikam.example\"]}}",
		"stream         edge1/7\n"
		"from and to    example.com <- fabrikam.example\n"
		"state          ready\n"
		"address        192.0.2.1:40000\n"
		"method         dialback-tls\n"
		"age            1m 5s\n"
		"idle           5s\n"
		"stanzas        3 in, 0 out, 0 queued, paused\n"
		"acknowledged   2 of 3 received\n"
		"TLS            TLS1.3 AES-256-GCM\n"
		"certificate    CN=fabrikam ?[31m\n"
		"issuer         CN=CA\n"
		"valid          1970-01-01T00:00:00Z to 2026-01-31T12:00:00Z\n"
		"names          dns:fabrikam.example\n"
		"               xmpp:fabrikam.example\n"
		"usage          serverAuth\n"
		"sha256         00ff\n"
		"wrong with it  tls.cert.untrusted\n"
		"               The partner's certificate is not signed by a CA of trust.ca, or its chain is incomplete: let the partner send the whole "
		"chain of a trusted CA; if its CA is to be trusted, or every partner fails so, look at trust.ca of the edge and what is in that file.\n",
		"", 0 },
	{ "a stream in the clear", { "stream", "show", "7" },
		"{\"id\":7,\"local\":\"a.example\",\"remote\":\"b.example\",\"direction\":\"out\",\"state\":\"wait-features\",\"peer_address\":\"192.0.2.1:5269\","
		"\"age_s\":1,\"idle_s\":1,\"queued\":2,\"stanzas_in\":0,\"stanzas_out\":0,\"paused\":false,\"peer_stanza_size\":10000}",
		"stream       7\n"
		"from and to  a.example -> b.example\n"
		"state        waiting for what the partner offers\n"
		"address      192.0.2.1:5269\n"
		"method       -\n"
		"age          1s\n"
		"idle         1s\n"
		"stanzas      0 in, 0 out, 2 queued\n"
		"takes        stanzas of up to 10000 bytes\n"
		"TLS          none\n", "", 0 },
	{ "a stream is closed", { "stream", "close", "edge1/7" },
		"{\"id\":7,\"local\":\"a.example\",\"remote\":\"b.example\",\"reason\":\"stream.closed.operator\",\"edge\":\"edge1\"}",
		"edge1/7 closed: a.example and b.example\n", "", 0 },
	{ "streams are named by a word", { "--json", "stream", "close", "edge1/7" }, "{}", "{\n  \"args\": {\n    \"id\": \"edge1/7\"\n  }\n}\n", "", 0 },
	{ "a check", { "partner", "check", "a.example" },
		"{\"domain\":\"a.example\",\"local\":\"example.com\",\"edge\":\"edge1\",\"ok\":true,\"steps\":[{\"step\":\"policy\",\"state\":\"ok\",\"text\":"
		"\"/p/a.example.yaml\"},{\"step\":\"tcp\",\"state\":\"note\",\"text\":\"[2001:db8::1]:5269: unreachable \\u001b[31m\",\"reason\":\"net.connect.refused\","
		"\"remedy\":\"r\"}]}",
		"a.example, seen from edge1 for example.com\n"
		"ok    policy  /p/a.example.yaml\n"
		"note  tcp     [2001:db8::1]:5269: unreachable ?[31m\n"
		"\nno problem was found\n", "", 0 },
	{ "a check that finds something", { "partner", "check", "a.example" },
		"{\"domain\":\"a.example\",\"ok\":false,\"steps\":[{\"step\":\"dns\",\"state\":\"problem\",\"text\":\"no address\",\"reason\":\"dns.name.missing\","
		"\"side\":\"partner\",\"remedy\":\"They publish a record.\"}]}",
		"a.example\n"
		"PROBLEM  dns  no address\n"
		"\ndns: dns.name.missing: They publish a record.\n", "", 1 },
	{ "a check for a domain of ours", { "--json", "partner", "check", "a.example", "example.com" }, "{\"ok\":true}",
		"{\n  \"ok\": true,\n  \"args\": {\n    \"domain\": \"a.example\",\n    \"local\": \"example.com\"\n  }\n}\n", "", 0 },
	{ "gates", { "explain", "a@example.com", "b@a.example" },
		"{\"from\":\"a@example.com\",\"to\":\"b@a.example\",\"ok\":true,\"gates\":[{\"gate\":\"addresses\",\"state\":\"ok\",\"text\":\"from a to b\"},"
		"{\"gate\":\"next-hop\",\"state\":\"skipped\",\"text\":\"not on the way\"}]}",
		"ok  addresses  from a to b\n"
		"-   next-hop   not on the way\n"
		"\nno gate is closed\n", "", 0 },
	{ "a closed gate", { "explain", "a@example.com", "b@a.example" },
		"{\"from\":\"a@example.com\",\"to\":\"b@a.example\",\"ok\":false,\"closed\":\"partner\",\"gates\":[{\"gate\":\"addresses\",\"state\":\"ok\",\"text\":\"t\"},"
		"{\"gate\":\"partner\",\"state\":\"closed\",\"text\":\"no file\",\"reason\":\"policy.partner.unlisted\",\"side\":\"operator\",\"remedy\":\"Add one.\"},"
		"{\"gate\":\"link\",\"state\":\"closed\",\"text\":\"down\",\"reason\":\"channel.down\",\"side\":\"us\",\"remedy\":\"Look.\"}]}",
		"ok      addresses  t\n"
		"CLOSED  partner    no file\n"
		"CLOSED  link       down\n"
		"\nthe gate that is closed: partner\n"
		"policy.partner.unlisted: Add one.\n", "", 1 },
	{ "what is closed to others", { "explain", "a@example.com", "b@a.example" },
		"{\"from\":\"a\",\"to\":\"b\",\"kind\":\"message\",\"ok\":true,\"gates\":[{\"gate\":\"addresses\",\"state\":\"ok\",\"text\":\"t\"}],\"others\":["
		"{\"kind\":\"presence\",\"ok\":false,\"closed\":\"approval\",\"gates\":[{\"gate\":\"approval\",\"state\":\"closed\",\"text\":\"b has not asked\"}]},"
		"{\"kind\":\"message\",\"ok\":false,\"closed\":\"kinds\",\"gates\":[{\"gate\":\"kinds\",\"state\":\"closed\",\"text\":\"not named\"}]},"
		"{\"kind\":\"subscription\",\"ok\":true,\"gates\":[]}]}",
		"ok  addresses  t\n"
		"\nno gate is closed\n"
		"presence: not shown: b has not asked (explain FROM TO kind=presence)\n"
		"message: closed at kinds: not named (explain FROM TO kind=message)\n"
		"subscription: open\n", "", 0 },
	{ "explain asks of one kind", { "--json", "explain", "a@example.com", "b@a.example", "--kind", "presence" }, "{\"ok\":true}",
		"{\n  \"ok\": true,\n  \"args\": {\n    \"from\": \"a@example.com\",\n    \"to\": \"b@a.example\",\n    \"kind\": \"presence\"\n  }\n}\n", "", 0 },
	{ "a kind that is none", { "explain", "a@example.com", "b@a.example", "kind=calls" }, "{}", "",
		"xfedctl: \"kind=calls\": kind is message, presence, subscription\nusage: xfedctl explain FROM TO [kind=KIND]\nusage: xfedctl explain CODE\n", 2 },
	{ "a state that is none", { "contact", "list", "state=loud" }, "{}", "",
		"xfedctl: \"state=loud\": state is waiting, asked, none, none+pending-out, none+pending-in, none+pending-out+in, to, to+pending-in, from, "
		"from+pending-out, both\nusage: xfedctl contact list [user=USER] [partner=DOMAIN] [state=STATE] [limit=N] [after=WHERE]\n", 2 },
	{ "explain asks with both", { "--json", "explain", "a@example.com", "b@a.example" }, "{\"ok\":true}",
		"{\n  \"ok\": true,\n  \"args\": {\n    \"from\": \"a@example.com\",\n    \"to\": \"b@a.example\"\n  }\n}\n", "", 0 },
	{ "what only services are asked", { "change", "files" }, "{}", "", "xfedctl: there is no command \"change files\"; xfedctl --help lists them\n", 2 },
	{ "two letters that changed places", { "fialures" }, "{}", "", "xfedctl: there is no command \"fialures\"; xfedctl --help lists them. Is failures meant?\n", 2 },
	{ "help for one like it", { "help", "parner" }, "{}", "", "xfedctl: there is no command \"parner\"; xfedctl --help lists them. Is partner meant?\n", 2 },
	{ "nothing is near", { "zebra" }, "{}", "", "xfedctl: there is no command \"zebra\"; xfedctl --help lists them\n", 2 },
	{ "given twice", { "sip", "list", "limit=1", "limit=2" }, "{}", "",
		"xfedctl: \"limit=2\": limit is given twice\nusage: xfedctl sip list [kind=KIND] [limit=N] [after=WHERE]\n", 2 },
	{ "one address of two", { "explain", "a@b.example" }, "{}", "", "xfedctl: TO is missing: explain takes two addresses, of who sends and of whom it is for\n", 2 },
	{ "no setting", { "partner", "set", "a.example" }, "{}", "",
		"xfedctl: KEY=VALUE is missing: KEY=VALUE; KEY= for the default\nusage: xfedctl partner set DOMAIN KEY=VALUE... [--dry-run]\n", 2 },
	{ "a word that is no setting", { "partner", "set", "a.example", "tls=optional", "--dryrun" }, "{}", "",
		"xfedctl: \"--dryrun\": KEY=VALUE is KEY=VALUE; KEY= for the default\nusage: xfedctl partner set DOMAIN KEY=VALUE... [--dry-run]\n", 2 },
	{ "rules", { "access", "list" },
		"{\"rules\":[{\"name\":\"FedPic\",\"file\":\"/a/fedpic.yaml\",\"scope\":\"user\",\"federation\":true,\"xmpp\":false,\"users\":2,"
		"\"granted_to_file\":\"/a/users\",\"users_in_file\":3},"
		"{\"name\":\"b\",\"file\":\"/a/b.yaml\",\"scope\":\"user\",\"federation\":false,\"xmpp\":false,\"users\":0,\"broken\":true},"
		"{\"name\":\"s\",\"file\":\"/a/s.yaml\",\"scope\":\"site\",\"federation\":true,\"xmpp\":true,\"domains\":[\"a.example\",\"b.example\"]},"
		"{\"name\":\"all\",\"file\":\"/a/all.yaml\",\"scope\":\"global\",\"federation\":true,\"xmpp\":true}]}",
		"NAME    SCOPE   FEDERATION  XMPP  FOR\n"
		"FedPic  user    on          off   2 users, and 3 users, in /a/users\n"
		"b       user    ?           ?     cannot be loaded: whoever it could be about may not\n"
		"s       site    on          on    a.example, b.example\n"
		"all     global  on          on    everyone else\n", "", 0 },
	{ "no rules", { "access", "list" }, "{\"rules\":[]}", "no rules: everyone may use federation\n", "", 0 },
	{ "a rule", { "access", "show", "fedpic" },
		"{\"name\":\"FedPic\",\"file\":\"/a/fedpic.yaml\",\"scope\":\"user\",\"federation\":true,\"xmpp\":true,\"users\":1,"
		"\"granted_to\":[\"alice@example.com\"]}",
		"name        FedPic\n"
		"file        /a/fedpic.yaml\n"
		"scope       user\n"
		"federation  on\n"
		"xmpp        on\n"
		"for         1 user\n"
		"  alice@example.com\n", "", 0 },
	{ "a test", { "test", "im", "b@a.example", "--wait", "60" },
		"{\"kind\":\"im\",\"from\":\"p@example.com\",\"to\":\"b@a.example\",\"ok\":true,\"took_ms\":1250,\"accepted\":true,\"no_error\":false,"
		"\"answered\":true,\"inbound\":\"proved\",\"steps\":[{\"at_ms\":0,\"step\":\"sent\",\"state\":\"ok\",\"text\":\"a message\"},"
		"{\"at_ms\":52,\"step\":\"accepted\",\"state\":\"ok\",\"text\":\"acknowledged\"},"
		"{\"at_ms\":1250,\"step\":\"answered\",\"state\":\"ok\",\"text\":\"a message has come in\"}]}",
		"   0.000 s  ok       sent        a message\n"
		"   0.052 s  ok       accepted    acknowledged\n"
		"   1.250 s  ok       answered    a message has come in\n"
		"\nway out: proved by the answer\n"
		"way back: proved by what came from the partner\n", "", 0 },
	{ "a test that fails", { "test", "presence", "b@a.example" },
		"{\"kind\":\"presence\",\"from\":\"p@example.com\",\"to\":\"b@a.example\",\"ok\":false,\"took_ms\":3,\"accepted\":false,\"no_error\":false,"
		"\"answered\":false,\"approved\":false,\"shown\":false,\"inbound\":\"not-tested\",\"gate\":\"kinds\",\"steps\":["
		"{\"at_ms\":0,\"step\":\"failed\",\"state\":\"problem\",\"text\":\"x \\u001b\",\"reason\":\"policy.kind.forbidden\",\"remedy\":\"Name it.\"}]}",
		"   0.000 s  PROBLEM  failed      x ?\n"
		"          policy.kind.forbidden: Name it.\n"
		"\nway out: the partner's server has not got it\n"
		"way back: not tested, as no answer came\n"
		"the gate that is closed: kinds\n", "", 1 },
	{ "what a test asks with", { "--json", "test", "im", "b@a.example", "from=p@example.com", "wait=5" }, "{\"ok\":true}",
		"{\n  \"ok\": true,\n  \"args\": {\n    \"to\": \"b@a.example\",\n    \"from\": \"p@example.com\",\n    \"wait\": 5\n  }\n}\n", "", 0 },
	{ "a time that is none", { "test", "im", "b@a.example", "wait=soon" }, "{}", "",
		"xfedctl: \"wait=soon\": wait is seconds, from 1 to 600\nusage: xfedctl test im TO [from=USER] [wait=S]\n", 2 },
	{ "pages are put together", { "contact", "list", "limit=2" },
		"{\"contacts\":[{\"user\":\"a@example.com\",\"contact\":\"b@a.example\",\"state\":\"to+pending-in\",\"user_sees\":\"yes\",\"contact_sees\":\"asked\","
		"\"approved\":true,\"subscriptions\":1,\"asked\":1769860800}],\"next\":\"a@example.com b@a.example\"}",
		"USER           CONTACT      USER SEES  CONTACT SEES  WAITS SINCE           APPROVED  LAST USED\n"
		"a@example.com  b@a.example  yes        asked         2026-01-31T12:00:00Z  yes       -\n"
		"a@example.com  b@a.example  yes        asked         2026-01-31T12:00:00Z  yes       -\n"
		"\nthere are more: contact list --after \"a@example.com b@a.example\", or a higher limit=\n", "", 0 },
	{ "what continues a list is of the same list", { "contact", "list", "limit=1", "state=waiting" },
		"{\"contacts\":[{\"user\":\"a@example.com\",\"contact\":\"b@a.example\",\"user_sees\":\"yes\",\"contact_sees\":\"asked\"}],"
		"\"filter\":{\"user\":\"a@example.com\",\"state\":\"waiting\"},\"next\":\"a@example.com b@a.example\"}",
		"USER           CONTACT      USER SEES  CONTACT SEES  WAITS SINCE  APPROVED  LAST USED\n"
		"a@example.com  b@a.example  yes        asked         -            -         -\n"
		"\nthere are more: contact list --after \"a@example.com b@a.example\" user=a@example.com state=waiting, or a higher limit=\n", "", 0 },
	{ "no contacts", { "contact", "list" }, "{\"contacts\":[]}", "no contacts\n", "", 0 },
	{ "subscriptions", { "subscription", "list" },
		"{\"subscriptions\":[{\"id\":7,\"watcher\":\"user\",\"user\":\"a@example.com\",\"contact\":\"b@a.example\",\"state\":\"active\",\"expires_s\":65,"
		"\"devices\":2,\"stale\":true},{\"id\":8,\"watcher\":\"contact\",\"user\":\"a@example.com\",\"contact\":\"b@a.example\",\"state\":\"asked\",\"devices\":0,"
		"\"stale\":false}]}",
		"ID  WATCHER        WATCHED        STATE   EXPIRES IN  DEVICES  -\n"
		"7   a@example.com  b@a.example    active  1m 5s       2        may be stale, is asked for again\n"
		"8   b@a.example    a@example.com  asked   -           0        -\n", "", 0 },
	{ "a contact", { "contact", "show", "a@example.com", "b@a.example" },
		"{\"user\":\"a@example.com\",\"contact\":\"b@a.example\",\"state\":\"none+pending-in\",\"user_sees\":\"no\",\"contact_sees\":\"asked\",\"approved\":false,"
		"\"subscriptions\":0,\"asked\":1769860800,\"live\":[],\"written_to\":true,\"added\":false}",
		"user                         a@example.com\n"
		"contact                      b@a.example\n"
		"the user sees the contact    no\n"
		"the contact sees the user    asked, waits for the SIP server since 2026-01-31T12:00:00Z\n"
		"approved by contact approve  no\n"
		"added by the user            no\n"
		"written to within a day      yes\n"
		"last wanted by the user      -\n"
		"last used                    -\n"
		"state                        none+pending-in\n"
		"\nno subscriptions\n", "", 0 },
	{ "a subscription that is none", { "subscription", "show", "x7" }, "{}", "",
		"xfedctl: \"x7\": ID is the number of a subscription, as subscription list shows it\nusage: xfedctl subscription show ID\n", 2 },
	{ "later", { "message", "find" }, "{}", "", "xfedctl: message find is not built in this version\n", 2 },
	{ "later, one verb of a noun", { "penalty", "list" }, "{}", "", "xfedctl: penalty list is not built in this version\n", 2 },
	{ "what there is with SIP servers", { "sip", "list", "limit=3" },
		"{\"sip\":[{\"kind\":\"connection\",\"id\":3,\"direction\":\"in\",\"transport\":\"TLS\",\"address\":\"[2001:db8::1]:5061\",\"state\":\"open\","
		"\"neighbour\":true,\"trusted\":false,\"idle_s\":65,\"names\":[\"dns:a.example\",\"dns:b\\u001b\"]},"
		"{\"kind\":\"session\",\"id\":9,\"user\":\"a@example.com\",\"contact\":\"b@a.example\",\"opened_by\":\"contact\",\"state\":\"open\","
		"\"under_way\":2,\"idle_s\":1,\"call_id\":\"x1\"},"
		"{\"kind\":\"transaction\",\"id\":7,\"direction\":\"out\",\"transport\":\"UDP\",\"address\":\"192.0.2.1:5060\",\"state\":\"trying\","
		"\"method\":\"MESSAGE\",\"call_id\":\"x2\"}],"
		"\"counts\":{\"connections\":1,\"sessions\":1,\"transactions\":2},\"filter\":{},\"next\":\"transaction 7\"}",
		"in all: 1 connections, 1 sessions, 2 transactions\n"
		"\nCONNECTION  DIRECTION  OVER  WITH                           STATE  MAY SEND  IDLE   CERTIFICATE\n"
		"3           in         TLS   [2001:db8::1]:5061, neighbour  open   no        1m 5s  dns:a.example, dns:b?\n"
		"\nSESSION  OPENED BY    WITH           STATE  UNDER WAY  IDLE  CALL-ID\n"
		"9        b@a.example  a@example.com  open   2          1s    x1\n"
		"\nTRANSACTION  DIRECTION  METHOD   STATE   WITH                CALL-ID\n"
		"7            out        MESSAGE  trying  UDP 192.0.2.1:5060  x2\n"
		"\nthere are more: sip list --after \"transaction 7\", or a higher limit=\n", "", 0 },
	{ "nothing there with SIP servers", { "sip", "list", "kind=session" },
		"{\"sip\":[],\"counts\":{\"connections\":0,\"sessions\":0,\"transactions\":0}}", "in all: 0 connections, 0 sessions, 0 transactions\n", "", 0 },
	{ "a kind that is none", { "sip", "list", "kind=calls" }, "{}", "",
		"xfedctl: \"kind=calls\": kind is connection, session, transaction\nusage: xfedctl sip list [kind=KIND] [limit=N] [after=WHERE]\n", 2 },
	{ "routes", { "partner", "routes", "--for", "skype" },
		"{\"for\":\"skype\",\"host\":\"gw1.example\",\"transport\":\"tls\",\"port\":5061,\"certificate\":{\"subject\":\"CN=gw1\",\"issuer\":\"CN=ca\","
		"\"not_after\":1,\"names\":[\"dns:gw1.example\"]},\"sections\":[{\"title\":\"One\",\"lines\":[\"# why\",\"route[XFED] {\",\"\\ta \\\"b\\\"\"]}],"
		"\"problems\":[]}",
		"# gateway: gw1.example, port 5061, tls\n# certificate: CN=gw1, signed by CN=ca, names dns:gw1.example\n\n# One\n# why\nroute[XFED] {\n"
		"\ta \"b\"\n", "", 0 },
	{ "routes with a problem", { "partner", "routes", "for=lync" },
		"{\"host\":\"gw1.example\",\"transport\":\"tcp\",\"port\":5060,\"certificate\":null,\"sections\":[],\"problems\":[\"no tls\"]}",
		"# gateway: gw1.example, port 5060, tcp\n# PROBLEM: no tls\n", "", 1 },
	{ "routes for what is none", { "partner", "routes", "for=freeswitch" }, "{}", "",
		"xfedctl: \"for=freeswitch\": for is lync, skype, kamailio, opensips, asterisk\nusage: xfedctl partner routes [DOMAIN] [for=PRODUCT]\n", 2 },
	{ "mistyped", { "partner", "ad" }, "{}", "", "xfedctl: partner does not take \"ad\". Is partner add meant?\nusage: xfedctl partner list\nusage: xfedctl partner show DOMAIN\n"
		"usage: xfedctl partner add DOMAIN [KEY=VALUE...] [--dry-run]\nusage: xfedctl partner set DOMAIN KEY=VALUE... [--dry-run]\n"
		"usage: xfedctl partner remove DOMAIN [--dry-run]\n"
		"usage: xfedctl partner check DOMAIN [OUR-DOMAIN] [edge=NAME]\n"
		"usage: xfedctl partner routes [DOMAIN] [for=PRODUCT]\n", 2 },
	{ "a noun alone", { "stream" }, "{}", "", "xfedctl: stream needs one more word\nusage: xfedctl stream list [DOMAIN]\n"
		"usage: xfedctl stream show [EDGE/]ID\nusage: xfedctl stream close [EDGE/]ID\n", 2 },
	{ "a noun nobody knows", { "streams" }, "{}", "", "xfedctl: there is no command \"streams\"; xfedctl --help lists them. Is stream meant?\n", 2 },
	{ "too many for either form", { "explain", "a@b.example", "b@c.example", "c" }, "{}", "",
		"xfedctl: \"c\": one word too many\nusage: xfedctl explain FROM TO [kind=KIND]\nusage: xfedctl explain CODE\n", 2 },
	{ "argument missing", { "partner", "show" }, "{}", "", "xfedctl: DOMAIN is missing: a domain such as fabrikam.example\nusage: xfedctl partner show DOMAIN\n", 2 },
	{ "named in any place", { "--json", "partner", "check", "edge=edge2", "a.example", "example.com" }, "{\"ok\":true}",
		"{\n  \"ok\": true,\n  \"args\": {\n    \"edge\": \"edge2\",\n    \"domain\": \"a.example\",\n    \"local\": \"example.com\"\n  }\n}\n", "", 0 },
	{ "a stream that is none", { "stream", "close", "edge1/" }, "{}", "",
		"xfedctl: \"edge1/\": [EDGE/]ID is the number of a stream as stream list shows it: 7, or edge1/7\nusage: xfedctl stream close [EDGE/]ID\n", 2 },
	{ "a level that is none", { "log", "level", "loud" }, "{}", "",
		"xfedctl: \"loud\": LEVEL is error, warning, info, debug\nusage: xfedctl log level LEVEL [DOMAIN]\n", 2 },
	{ "a command with two forms", { "explain" }, "{}", "",
		"xfedctl: FROM is missing: an address, user@domain or sip:user@domain\nusage: xfedctl explain FROM TO [kind=KIND]\nusage: xfedctl explain CODE\n", 2 },
	{ "help with a noun", { "help", "stream" }, "{}",
		"  stream list [DOMAIN]              live streams with partners\n"
		"  stream show [EDGE/]ID             one stream, all that is known of it\n"
		"  stream close [EDGE/]ID            close one; the next stanza opens another\n", "", 0 },
	{ "help with a cmdlet of Lync Server", { "help", "remove-csxmppallowedpartner" }, "{}",
		"Remove-CsXmppAllowedPartner: xfedctl does it\n  xfedctl partner remove fabrikam.example\n  Its streams are closed at once.\n", "", 0 },
	{ "help with the noun of cmdlets", { "help", "CsXmppGatewaySettings" }, "{}",
		"Get-CsXmppGatewaySettings: xfedctl does it\n  xfedctl config show\n  The name that Get-CsXmppGatewayConfiguration had at first.\n"
		"Set-CsXmppGatewaySettings: a value in a file does it\n  xfedctl config set presence.refresh 8h\n"
		"  The name that Set-CsXmppGatewayConfiguration had at first: xfedctl help\n  Set-CsXmppGatewayConfiguration has the rest.\n", "", 0 },
	{ "a cmdlet typed as a command", { "Set-CsWatcherNodeConfiguration", "-Tests" }, "{}", "",
		"xfedctl: there is no command \"Set-CsWatcherNodeConfiguration -Tests\"; xfedctl --help lists them\n"
		"Set-CsWatcherNodeConfiguration: not needed\n  xfedctl test im bob@fabrikam.example --wait 60\n  As New-CsWatcherNodeConfiguration.\n", 2 },
	{ "help with a noun nobody knows", { "help", "x\x1b" }, "{}", "", "xfedctl: there is no command \"x?\"; xfedctl --help lists them\n", 2 },
	{ "records", { "dns", "print" },
		"{\"records\":[{\"name\":\"_xmpp-server._tcp.a.example.\",\"type\":\"SRV\",\"data\":\"10 10 5269 e.a.example.\",\"why\":\"the way\"},"
		"{\"name\":\"e.a.example.\",\"type\":\"A\",\"data\":\"192.0.2.1\\nx. A 192.0.2.66\",\"why\":\"hosts\"}],\"problems\":[]}",
		"; the way\n_xmpp-server._tcp.a.example. 3600 IN SRV 10 10 5269 e.a.example.\n; hosts\ne.a.example. 3600 IN A 192.0.2.1?x. A 192.0.2.66\n", "", 0 },
	{ "records that are not all known", { "dns", "print" }, "{\"records\":[],\"problems\":[\"no\\naddress\"]}", "; PROBLEM: no?address\n", "", 1 },
	{ "records that differ", { "dns", "check", "server=192.0.2.53" },
		"{\"ok\":false,\"edge\":\"edge1\",\"server\":\"192.0.2.53:53\",\"domains\":[\"a.example\"],\"steps\":[{\"step\":\"srv\",\"state\":\"problem\","
		"\"text\":\"none\"},{\"step\":\"srv\",\"state\":\"problem\",\"text\":\"silent\",\"reason\":\"dns.timeout\",\"remedy\":\"wait\"}]}",
		"asked by edge1 of the server 192.0.2.53:53\nPROBLEM  srv  none\nPROBLEM  srv  silent\n\nxfedctl dns print has the records that are needed\n"
		"srv: dns.timeout: wait\n", "", 1 },
	{ "a firewall as a table", { "firewall", "print" },
		"{\"name\":\"gw-1\",\"role\":\"gateway\",\"user\":7,\"instance\":false,\"rows\":[{\"direction\":\"in\",\"protocol\":\"udp\",\"own\":\"192.0.2.2\","
		"\"networks\":[\"10.0.0.0/8\"],\"peer\":\"SIP\",\"port\":5060,\"why\":\"w\"},{\"direction\":\"out\",\"protocol\":\"tcp\",\"networks\":[\"192.0.2.9\"],"
		"\"peer\":\"192.0.2.9\",\"port\":1,\"why\":\"x\"}]}",
		"SOURCE           DESTINATION      PROTOCOL  PORT  WHY\nSIP: 10.0.0.0/8  gw-1: 192.0.2.2  udp       5060  w\n"
		"gw-1             192.0.2.9        tcp       1     x\n", "", 0 },
	{ "a firewall for nftables", { "firewall", "print", "for=nftables" },
		"{\"name\":\"gw-1\",\"role\":\"edge\",\"for\":\"nftables\",\"user\":7,\"instance\":false,\"rows\":[{\"direction\":\"in\",\"protocol\":\"tcp\","
		"\"own\":\"192.0.2.2\",\"networks\":[\"10.0.0.0/8\",\"2001:db8::/32\",\"0/0 } accept; #\"],\"peer\":\"a\\nb\",\"port\":23456,\"why\":\"w\"},"
		"{\"direction\":\"out\",\"protocol\":\"tcp\",\"networks\":[],\"peer\":\"partners\",\"port\":5269,\"why\":\"x\"}]}",
		"# Loaded by nft -f; it concerns the ports of this service alone. Where another table drops what it does not know, the lines with\n"
		"# accept have to stand there too.\ntable inet xfed_gw_1\ndelete table inet xfed_gw_1\ntable inet xfed_gw_1 {\n\tchain input {\n"
		"\t\ttype filter hook input priority filter; policy accept;\n\t\tct state established,related accept\n\t\tiifname \"lo\" accept\n"
		"\t\t# a?b: 10.0.0.0/8, 2001:db8::/32, 0/0 } accept; #: w\n"
		"\t\tip daddr 192.0.2.2 ip saddr { 10.0.0.0/8 } tcp dport 23456 accept\n"
		"\t\tip daddr 192.0.2.2 tcp dport 23456 drop\n\t}\n"
		"\t# What the edge may connect to, and nothing else: a port of a partner's SRV record has to be added here.\n\tchain output {\n"
		"\t\ttype filter hook output priority filter; policy accept;\n\t\tct state established,related accept\n\t\toifname \"lo\" accept\n"
		"\t\t# partners: x\n\t\tmeta skuid 7 tcp dport 5269 accept\n\t\tmeta skuid 7 ct state new reject\n\t}\n}\n", "", 0 },
	{ "argument too many", { "reload", "now" }, "{}", "", "xfedctl: \"now\": one word too many\nusage: xfedctl reload\n", 2 },
};
/* clang-format on */

static void each_command(void **state)
{
	int failed = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		const char *argv[16] = { BUILD_ROOT "/xfedctl/xfedctl", "--socket", path };
		static struct result r;
		for (size_t w = 0; w < 6 && rows[i].words[w]; w++) {
			argv[3 + w] = rows[i].words[w];
		}
		canned = rows[i].canned;
		run(argv, &r);
		if (r.status != rows[i].status || strcmp(r.out, rows[i].out) != 0 || (rows[i].err && strcmp(r.err, rows[i].err) != 0)) {
			print_error("%s: status %d\nout: %s\nerr: %s\n", rows[i].name, r.status, r.out, r.err);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

/* Every text in it with what would colour a terminal, and begin a line of its own. */
static void spoil(json_t *j)
{
	const char *key;
	size_t i;
	json_t *value;
	json_object_foreach(j, key, value) {
		if (json_is_string(value)) {
			json_object_set_new(j, key, json_sprintf("%s\033[31m\nforged", json_string_value(value)));
		} else {
			spoil(value);
		}
	}
	json_array_foreach(j, i, value) {
		if (json_is_string(value)) {
			json_array_set_new(j, i, json_sprintf("%s\033[31m\nforged", json_string_value(value)));
		} else {
			spoil(value);
		}
	}
}

/* Services pass on what edges say, and edges what partners do: none of it is printed as it is. */
static void what_others_say_is_harmless(void **state)
{
	int failed = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		const char *argv[16] = { BUILD_ROOT "/xfedctl/xfedctl", "--socket", path };
		static struct result r;
		bool is_for_programs = strncmp(rows[i].words[0], "--", 2) == 0;
		json_t *j = is_for_programs ? NULL : json_loads(rows[i].canned, 0, NULL);
		for (size_t w = 0; w < 6 && rows[i].words[w]; w++) {
			argv[3 + w] = rows[i].words[w];
		}
		if (!j) {
			continue;
		}
		spoil(j);
		char *text = json_dumps(j, 0);
		canned = text;
		run(argv, &r);
		bool is_of_lines = strcmp(rows[i].words[0], "config") == 0; /* its text is */
		if (strchr(r.out, 033) || strchr(r.err, 033) || (!is_of_lines && (strstr(r.out, "\nforged") || strstr(r.err, "\nforged")))) {
			print_error("%s:\nout: %s\nerr: %s\n", rows[i].name, r.out, r.err);
			failed++;
		}
		free(text);
		json_decref(j);
	}
	assert_int_equal(failed, 0);
}

/* How long ago becomes a time. */
static void since(void **state)
{
	static const struct {
		const char *word;
		time_t ago_s;
	} times[] = { { "since=90s", 90 }, { "since=30m", 1800 }, { "since=2h", 7200 }, { "since=7d", 604800 } };
	for (size_t i = 0; i < XFED_ARRAY_LEN(times); i++) {
		const char *argv[] = { BUILD_ROOT "/xfedctl/xfedctl", "--socket", path, "--json", "failures", "list", times[i].word, NULL };
		static struct result r;
		canned = "{}";
		time_t before = time(NULL);
		run(argv, &r);
		time_t after = time(NULL);
		json_t *j = json_loads(r.out, 0, NULL);
		json_int_t got = json_integer_value(json_object_get(json_object_get(j, "args"), "since"));
		json_decref(j);
		if (r.status != 0 || got < before - times[i].ago_s || got > after - times[i].ago_s) {
			fail_msg("%s: status %d, %s%s", times[i].word, r.status, r.out, r.err);
		}
	}
}

static void nobody_answers(void **state)
{
	static struct result r;
	const char *argv[] = { BUILD_ROOT "/xfedctl/xfedctl", "--socket", "/nonexistent/x.sock", "status", NULL };
	run(argv, &r);
	assert_int_equal(r.status, 1);
	assert_string_equal(r.err, "xfedctl: x: no socket at /nonexistent/x.sock: the service does not run, or not on this host: systemctl start "
				   "xfed-gateway (or xfed-edge); "
				   "journalctl -u says why it ended\n");
}

static void files_are_checked_without_a_service(void **state)
{
	static struct result r;
	const char *argv[] = { BUILD_ROOT "/xfedctl/xfedctl", "config", "check", NULL, NULL };
	static const char *const files[] = { SOURCE_ROOT "/packaging/examples/edge.yaml", SOURCE_ROOT "/packaging/examples/gateway.yaml",
		SOURCE_ROOT "/packaging/examples/partners.d/fabrikam.example.yaml", SOURCE_ROOT "/packaging/examples/access.d/fedpic.yaml" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(files); i++) {
		argv[3] = files[i];
		run(argv, &r);
		if (r.status != 0 || strcmp(r.out, "fine\n") != 0) {
			fail_msg("%s: status %d\n%s%s", files[i], r.status, r.out, r.err);
		}
	}
	argv[3] = SOURCE_ROOT "/LICENSE";
	run(argv, &r);
	assert_int_equal(r.status, 1);
	argv[3] = "/nonexistent/edge.yaml";
	run(argv, &r);
	assert_int_equal(r.status, 1);
	assert_string_equal(r.out, "/nonexistent/edge.yaml: cannot be read: No such file or directory\n1 error, nothing takes effect\n");
}

#define NETWORKS 600

/* A set is printed whole, or a rule would let in the half of an address; the words beside it end at a whole one. */
static void many_networks(void **state)
{
	static const char *const nft[] = { BUILD_ROOT "/xfedctl/xfedctl", "--socket", path, "firewall", "print", "for=nftables", NULL };
	static const char *const table[] = { BUILD_ROOT "/xfedctl/xfedctl", "--socket", path, "firewall", "print", NULL };
	static char text[32768], set[16384];
	static struct result r;
	size_t n = 0, listed = 0;
	char list[NETWORKS * 22] = "";
	for (int i = 0; i < NETWORKS; i++) {
		n += (size_t)snprintf(set + n, sizeof(set) - n, "%s10.%d.%d.0/24", i > 0 ? ", " : "", i / 256, i % 256);
		listed += (size_t)snprintf(list + listed, sizeof(list) - listed, "%s\"10.%d.%d.0/24\"", i > 0 ? "," : "", i / 256, i % 256);
	}
	static const char *const forms[] = { "", "\"for\":\"nftables\"," };
	for (size_t f = 0; f < XFED_ARRAY_LEN(forms); f++) {
		snprintf(text, sizeof(text),
			"{\"name\":\"gw\",\"role\":\"gateway\",%s\"user\":7,\"instance\":false,\"rows\":[{\"direction\":\"in\",\"protocol\":\"tcp\","
			"\"networks\":[%s],\"peer\":\"SIP\",\"port\":5060,\"why\":\"w\"}]}",
			forms[f], list);
		canned = text;
		run(f > 0 ? nft : table, &r);
		assert_int_equal(r.status, 0);
		const char *words = strstr(r.out, "SIP: 10.0.0.0/24, ");
		const char *end = words ? strstr(words, "/24, ...") : NULL;
		assert_non_null(end);
		assert_true(end - words < 1400);
		snprintf(text, sizeof(text), "ip saddr { %s } tcp dport 5060 accept\n", set);
		assert_true(f == 0 || strstr(r.out, text));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_command, setup, teardown),
		cmocka_unit_test_setup_teardown(what_others_say_is_harmless, setup, teardown),
		cmocka_unit_test_setup_teardown(many_networks, setup, teardown),
		cmocka_unit_test_setup_teardown(since, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(files_are_checked_without_a_service, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
