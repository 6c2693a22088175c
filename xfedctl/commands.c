#include "ctl.h"

static json_t *domain_args(char **args, size_t count)
{
	return count > 0 ? json_pack("{s:s}", "domain", args[0]) : NULL;
}

static json_t *id_args(char **args, size_t count)
{
	return count > 0 ? json_pack("{s:s}", "id", args[0]) : NULL;
}

static json_t *check_args(char **args, size_t count)
{
	return count > 1 ? json_pack("{s:s, s:s}", "domain", args[0], "local", args[1]) : domain_args(args, count);
}

static json_t *explain_args(char **args, size_t count)
{
	return count > 1 ? json_pack("{s:s, s:s}", "from", args[0], "to", args[1]) : NULL;
}

static json_t *level_args(char **args, size_t count)
{
	if (count == 1) {
		return json_pack("{s:s}", "level", args[0]);
	}
	return json_pack("{s:s, s:b}", "domain", args[1], "on", strcmp(args[0], "debug") == 0);
}

const struct ctl_command ctl_commands[] = {
	{ "status", "", "", 0, 0, false, "one screen, what is wrong first", NULL, ctl_print_status, NULL },
	{ "stream", "list", "[DOMAIN]", 0, 1, false, "live streams with partners", domain_args, ctl_print_streams, NULL },
	{ "stream", "show", "[EDGE/]ID", 1, 1, false, "one stream, all that is known of it", id_args, ctl_print_stream, NULL },
	{ "stream", "close", "[EDGE/]ID", 1, 1, true, "close one; the next stanza opens another", id_args, ctl_print_closed, NULL },
	{ "partner", "list", "", 0, 0, false, "the partners and how they authenticate", NULL, ctl_print_partners, NULL },
	{ "partner", "show", "DOMAIN", 1, 1, false, "one partner, all its settings and streams", domain_args, ctl_print_partner, NULL },
	{ "partner", "check", "DOMAIN [OUR-DOMAIN]", 1, 2, false, "the way to a partner and back, step by step, from an edge", check_args,
		ctl_print_check, NULL },
	{ "failures", "list", "[FILTER]...", 0, 8, false, "attempts that failed, newest first; DOMAIN, since=2h, limit=50, before=ID",
		ctl_failures_args, ctl_print_failures, ctl_failures_check },
	{ "failures", "show", "ID", 1, 1, false, "one with its steps, certificates and remedy", ctl_failure_args, ctl_print_failure,
		ctl_failure_check },
	{ "failures", "retry", "ID|DOMAIN", 1, 1, true, "forget the waiting time and dial now", ctl_retry_args, ctl_print_retry, NULL },
	{ "config", "show", "", 0, 0, false, "the effective configuration, secrets hidden", NULL, ctl_print_config, NULL },
	{ "config", "check", "[FILE]", 0, 1, false, "the files as they are now, or one file without asking a service", NULL, ctl_print_problems,
		ctl_check_file },
	{ "reload", "", "", 0, 0, true, "check the files, then put them into effect as a whole", NULL, ctl_print_problems, NULL },
	{ "log", "level", "LEVEL [DOMAIN]", 1, 2, true, "error, warning, info or debug; with a domain: debug, or info for as before", level_args,
		ctl_print_level, NULL },
	{ "explain", "", "CODE | FROM TO", 1, 2, false, "what a reason code means and what to do; or every gate between two addresses", explain_args,
		ctl_print_explain, ctl_explain },
	{ NULL, NULL, NULL, 0, 0, false, NULL, NULL, NULL, NULL },
};

/* The words of the design that come later, so that they are told from mistyped ones. */
static const struct {
	const char *noun, *verbs;
} later[] = {
	{ "partner", " add set remove routes " },
	{ "access", " list show add set remove grant revoke " },
	{ "message", " find " },
	{ "subscription", " list show remove " },
	{ "cert", " request import show check channel-init channel-join " },
	{ "dns", " print check " },
	{ "firewall", " print check " },
	{ "test", " im presence " },
	{ "trace", "" },
	{ "drain", "" },
	{ "migrate", "" },
};

const char *ctl_later(const char *noun, const char *verb)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(later); i++) {
		char word[64];
		if (strcmp(noun, later[i].noun) != 0) {
			continue;
		}
		snprintf(word, sizeof(word), " %.60s ", verb);
		if (later[i].verbs[0] == '\0' || strstr(later[i].verbs, word)) {
			return later[i].noun;
		}
	}
	return NULL;
}
