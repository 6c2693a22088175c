/* What xfedctl does for each command of xfed/rt/commands.def: prints a service's answer, or carries it out itself. */
#include "ctl.h"

#define WAY_BOTH(id)	 { ctl_print_##id, NULL },
#define WAY_GATEWAY(id)	 { ctl_print_##id, NULL },
#define WAY_XFEDCTL(id)	 { NULL, ctl_do_##id },
#define WAY_INTERNAL(id) { NULL, NULL },
#define WAY_INSIDE(id)	 { NULL, NULL },
#define WAY_PANEL(id)	 { NULL, NULL },

const struct ctl_way ctl_ways[RT_COMMAND_COUNT] = {
#define COMMAND(id, noun, verb, served, who, help, more, args) WAY_##served(id)
#include "xfed/rt/commands.def"
};

const char *ctl_later(const char *noun, const char *verb)
{
	static const struct {
		const char *noun, *verbs;
	} later[] = {
#define LATER(noun, verbs) { noun, verbs },
#include "xfed/rt/commands.def"
	};
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
