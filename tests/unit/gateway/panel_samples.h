/* Answers of commands as pages are given them, one for each that a page asks. */
#ifndef TESTS_UNIT_GATEWAY_PANEL_SAMPLES_H
#define TESTS_UNIT_GATEWAY_PANEL_SAMPLES_H

#define PANEL_FAILURE                                                                                                                                \
	"{\"id\":7,\"at\":1700000000,\"last\":1700000300,\"count\":3,\"edge\":\"edge1\",\"direction\":\"out\",\"local\":\"example.com\",\"remote\":" \
	"\"fabrikam.example\","                                                                                                                      \
	"\"reason\":\"tls.cert.expired\",\"side\":\"partner\",\"text\":\"expired 3 days ago\",\"correlation\":\"a1b2\",\"remedy\":\"The partner "    \
	"has to renew it.\"}"
#define PANEL_STRANGER                                                                                                                               \
	"{\"id\":9,\"at\":1700000000,\"last\":1700000300,\"count\":12,\"edge\":\"edge1\",\"direction\":\"in\",\"local\":\"example.com\",\"remote\":" \
	"\"fabrikam.example\","                                                                                                                      \
	"\"reason\":\"dialback.invalid\",\"side\":\"partner\",\"proved\":false,\"network\":\"192.0.2.0/24\",\"names\":[\"fabrikam.example\"]}"
#define PANEL_STREAM                                                                                                                                 \
	"{\"id\":\"edge1/"                                                                                                                           \
	"7\",\"local\":\"example.com\",\"remote\":\"fabrikam.example\",\"direction\":\"out\",\"state\":\"ready\",\"tls\":\"TLS1.3\","                \
	"\"cipher\":\"AES-256-GCM\",\"method\":\"dialback-tls\",\"peer_address\":\"192.0.2.7:5269\",\"age_s\":4000,\"idle_s\":3,\"queued\":0,"       \
	"\"edge\":\"edge1\"}"
#define PANEL_PARTNER(more)                                                                                                                          \
	"{\"domain\":\"fabrikam.example\",\"description\":\"Fabrikam, contract "                                                                     \
	"4711\",\"additional_domains\":[\"corp.fabrikam.example\",\"*.it.fabrikam.example\"],"                                                       \
	"\"partner_type\":\"public-unverified\",\"tls\":\"required\",\"sasl\":\"optional\",\"dialback\":true,\"enabled\":true,\"connect_to\":"       \
	"\"xmpp.fabrikam.example:5269\","                                                                                                            \
	"\"keepalive\":true,\"limits\":{\"connections\":20,\"stanzas_per_second\":200,\"stanza_size\":65536},\"kinds\":[\"message\",\"presence\","   \
	"\"iq\"],\"dane\":\"off\","                                                                                                                  \
	"\"trust\":{\"ca\":false,\"pins\":[]},\"matrix\":{\"row\":7,\"methods\":[\"external\",\"dialback-tls\"]}" more "}"
#define PANEL_CONTACT                                                                                                                                \
	"\"user\":\"alice@example.com\",\"contact\":\"bob@fabrikam.example\",\"state\":\"both\",\"user_sees\":\"yes\",\"contact_sees\":\"asked\","   \
	"\"approved\":false,"                                                                                                                        \
	"\"subscriptions\":2,\"asked\":1700000000"
#define PANEL_SUBSCRIPTION                                                                                                                           \
	"{\"id\":4,\"watcher\":\"user\",\"user\":\"alice@example.com\",\"contact\":\"bob@fabrikam.example\",\"state\":\"active\",\"expires_s\":"     \
	"3600,\"devices\":1,\"stale\":true}"
#define PANEL_RULE "\"name\":\"FedPic\",\"file\":\"/etc/xfed/access.d/fedpic.yaml\",\"scope\":\"user\",\"federation\":true,\"xmpp\":true,\"users\":1"
#define PANEL_GATES                                                                                                                                  \
	"[{\"gate\":\"partner\",\"state\":\"ok\",\"text\":\"fabrikam.example covers fabrikam.example\"},{\"gate\":\"access\",\"state\":\"closed\","  \
	"\"text\":\"the rule FedPic refuses alice\",\"reason\":\"policy.access.user\",\"side\":\"operator\",\"remedy\":\"grant it\"},"               \
	"{\"gate\":\"stream\",\"state\":\"skipped\",\"text\":\"not asked\"}]"

static const struct panel_sample {
	const char *noun, *verb, *result;
} panel_samples[] = {
	{ "status", "",
		"{\"name\":\"gw1\",\"role\":\"gateway\",\"version\":\"0.1.0\",\"uptime_s\":90061,\"pid\":1,\"state\":\"in-service\","
		"\"problems\":[{\"reason\":\"sip.server.unreachable\",\"text\":\"fe.example.com:5061 cannot be connected to\",\"since\":1700000000}],"
		"\"notes\":[{\"reason\":\"config.file.ignored\",\"text\":\"a file is ignored\",\"since\":1700000000}],"
		"\"channel\":[{\"peer\":\"edge1\",\"up\":true,\"since\":1700000000,\"rtt_ms\":1.5},{\"peer\":\"edge2\",\"up\":false,\"since\":"
		"1700000000,\"reason\":\"channel.down\"}],"
		"\"streams\":{\"in\":2,\"out\":3},\"deliveries_in_flight\":1,\"policy\":{\"epoch\":1,\"revision\":4,\"hash\":\"abc\",\"partners\":1},"
		"\"edges\":[{\"name\":\"edge1\",\"role\":\"edge\",\"version\":\"0.1.0\",\"state\":\"in-service\",\"streams\":{\"in\":2,\"out\":3},"
		"\"problems\":[{\"reason\":\"tls.own.expired\",\"text\":\"/etc/xfed/tls/example.com.pem ends in 3 days\",\"since\":1700000000}]}],"
		"\"sip\":[{\"next_hop\":\"sip:fe.example.com:5061\",\"state\":\"refuses\",\"since\":1700000000,\"tried\":1700000000,\"worked\":"
		"1690000000,"
		"\"reason\":\"sip.request.refused\",\"refusals\":{\"status\":403,\"count\":2,\"first\":1700000000,\"last\":1700000000,\"text\":"
		"\"Forbidden\"}},{\"next_hop\":\"sip:new.example.com:5061\",\"state\":\"asked\",\"since\":0,\"tried\":0,\"worked\":0}],"
		"\"untrusted\":[{\"peer\":\"192.0.2.9:5060\",\"domain\":\"example.com\",\"count\":2,\"first\":1700000000,\"last\":1700000000,"
		"\"remedy\":\"add it to peers\"}],"
		"\"presence\":{\"watching\":5,\"watched\":4,\"contacts\":9,\"stale\":1,\"stale_by\":[{\"why\":\"link\",\"count\":1,\"text\":\"the "
		"link was lost\"}]}}" },
	{ "traffic", "list", NULL }, /* made by the test: it has a point for every ten seconds */
	{ "failures", "list", "{\"failures\":[" PANEL_FAILURE "," PANEL_STRANGER "],\"next\":3}" },
	{ "failures", "show",
		"{\"id\":7,\"at\":1700000000,\"last\":1700000300,\"count\":3,\"edge\":\"edge1\",\"direction\":\"out\",\"local\":\"example.com\","
		"\"remote\":\"fabrikam.example\","
		"\"reason\":\"tls.cert.expired\",\"side\":\"partner\",\"text\":\"expired 3 days ago\",\"correlation\":\"a1b2\",\"remedy\":\"The "
		"partner has to renew it.\","
		"\"steps\":[{\"at_ms\":0,\"step\":\"dns\",\"ok\":true,\"detail\":\"2 "
		"addresses\"},{\"at_ms\":31,\"step\":\"tls\",\"ok\":false,\"detail\":\"expired\"}],"
		"\"facts\":[{\"name\":\"tls\",\"value\":\"TLS1.3\"}],\"chain\":[{\"subject\":\"CN=fabrikam.example\",\"issuer\":\"CN=Some "
		"CA\",\"serial\":\"01\",\"sha256\":\"aa\","
		"\"not_before\":1600000000,\"not_after\":1690000000,\"eku\":[\"serverAuth\"],\"names\":[\"fabrikam.example\"]}]}" },
	{ "failures", "retry",
		"{\"pairs\":[{\"local\":\"example.com\",\"remote\":\"fabrikam.example\",\"state\":\"dialling\",\"queued\":0,\"edge\":\"edge1\"}]}" },
	{ "partner", "list", "{\"partners\":[" PANEL_PARTNER("") "]}" },
	{ "partner", "show", PANEL_PARTNER(",\"streams\":[" PANEL_STREAM "]") },
	{ "partner", "check",
		"{\"domain\":\"fabrikam.example\",\"ok\":false,\"local\":\"example.com\",\"edge\":\"edge1\",\"took_ms\":900,\"tls\":\"TLS1.3\","
		"\"cipher\":\"AES-256-GCM\","
		"\"steps\":[{\"step\":\"policy\",\"state\":\"ok\",\"text\":\"listed\"},{\"step\":\"certificate\",\"state\":\"problem\",\"text\":"
		"\"expired\","
		"\"reason\":\"tls.cert.expired\",\"side\":\"partner\",\"remedy\":\"renew\"},{\"step\":\"reverse\",\"state\":\"note\",\"text\":"
		"\"never\"}],"
		"\"methods\":[{\"method\":\"external\",\"allowed\":true,\"works\":false,\"reason\":\"sasl.external.refused\"},{\"method\":\"dialback-"
		"tls\",\"allowed\":true}]}" },
	{ "stream", "list", "{\"streams\":[" PANEL_STREAM "]}" },
	{ "stream", "show", PANEL_STREAM },
	{ "stream", "close", "{\"id\":\"edge1/7\",\"local\":\"example.com\",\"remote\":\"fabrikam.example\",\"reason\":\"stream.closed.operator\"}" },
	{ "access", "list",
		"{\"rules\":[{" PANEL_RULE "},{\"name\":\"all\",\"file\":\"f\",\"scope\":\"global\",\"federation\":false,\"xmpp\":true}]}" },
	{ "access", "show", "{" PANEL_RULE ",\"granted_to\":[\"alice@example.com\"]}" },
	{ "contact", "list", "{\"contacts\":[{" PANEL_CONTACT "}],\"next\":\"where\"}" },
	{ "contact", "show", "{" PANEL_CONTACT ",\"live\":[" PANEL_SUBSCRIPTION "],\"written_to\":true,\"added\":true}" },
	{ "contact", "approve", "{" PANEL_CONTACT "}" },
	{ "contact", "remove", "{" PANEL_CONTACT "}" },
	{ "subscription", "list", "{\"subscriptions\":[" PANEL_SUBSCRIPTION "],\"next\":\"where\"}" },
	{ "subscription", "remove", PANEL_SUBSCRIPTION },
	{ "cert", "list",
		"{\"certificates\":[{\"name\":\"gone.example\",\"owner\":\"partner\",\"edge\":\"edge1\",\"not_after\":1690000000,\"days\":-3,"
		"\"state\":\"ended\"},"
		"{\"name\":\"example.com\",\"owner\":\"us\",\"edge\":\"edge1\",\"not_after\":1700864000,\"days\":10,\"state\":\"soon\"},"
		"{\"name\":\"gw1\",\"owner\":\"channel\",\"not_after\":1790000000,\"days\":400,\"state\":\"ok\"}],\"silent\":[\"edge2\"],\"more\":"
		"3}" },
	{ "explain", "",
		"{\"from\":\"alice@example.com\",\"to\":\"bob@fabrikam.example\",\"direction\":\"to_xmpp\",\"kind\":\"message\",\"ok\":false,"
		"\"closed\":\"access\",\"gates\":" PANEL_GATES ",\"others\":[{\"kind\":\"presence\",\"ok\":true,\"gates\":[]}]}" },
	{ "audit", "list",
		"{\"audit\":[{\"id\":3,\"at\":1700000000,\"kind\":\"change\",\"who\":\"alice\",\"from\":\"192.0.2.1\",\"what\":\"partner set "
		"fabrikam.example sasl=required\",\"result\":\"ok\"},"
		"{\"id\":2,\"at\":1700000000,\"kind\":\"login\",\"who\":\"mallory\",\"from\":\"192.0.2.66\",\"what\":\"\",\"result\":\"panel.login."
		"refused\"}],\"lost\":0,\"next\":\"2\"}" },
	{ "config", "check", "{\"ok\":false,\"errors\":[\"/etc/xfed/gateway.yaml:3:1:sip: found x\"],\"warnings\":[\"a warning\"]}" },
	{ "config", "show", "{\"text\":\"name: gw1\\n\"}" },
	{ "reload", "", "{\"ok\":false,\"errors\":[\"/etc/xfed/gateway.yaml:3:1:sip: found x\"],\"warnings\":[]}" },
	{ "change", "carry",
		"{\"ok\":true,\"errors\":[],\"warnings\":[\"a "
		"warning\"],\"file\":\"/etc/xfed/partners.d/fabrikam.example.yaml\",\"changed\":true,\"saved\":false,"
		"\"diff\":\"@@ line 3\\n-sasl: optional\\n+sasl: required\\n\",\"notes\":[\"a note\"],\"effects\":[\"1 stream is closed\"],"
		"\"command\":\"xfedctl partner set fabrikam.example sasl=required\",\"hash\":\"0123abcd\"}" },
};

#endif
