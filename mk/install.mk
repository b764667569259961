# Installation below $(DESTDIR)$(PREFIX).  The program finds its data as ../share/dsv4chat and its
# plug-ins as ../lib/dsv4chat from where it lies itself, so the tree may be moved as a whole.

INSTALL ?= install
DEST = $(DESTDIR)$(PREFIX)
DATA = $(DEST)/share/dsv4chat
PLUGINS_DIR = $(DEST)/lib/dsv4chat
NANO_FILES := $(wildcard share/nano/*.json share/nano/*.safetensors share/nano/README.md)
TOOL_FILES := $(wildcard share/tools/*.json)
COMPLETION_DIR.bash := share/bash-completion/completions
COMPLETION_DIR.zsh := share/zsh/site-functions
COMPLETION_DIR.fish := share/fish/vendor_completions.d
COMPLETION_NAME.bash := dsv4chat
COMPLETION_NAME.zsh := _dsv4chat
COMPLETION_NAME.fish := dsv4chat.fish
SHELLS := bash zsh fish
completion = $(DEST)/$(COMPLETION_DIR.$(1))/$(COMPLETION_NAME.$(1))
man_page = $(DEST)/share/man/man$(subst .,,$(suffix $(1)))/$(notdir $(1))

# As the program itself writes them.
$(B)/completion.%: $(B)/dsv4chat
	$(Q)$< completion $* > $@.part && mv $@.part $@

.PHONY: install uninstall
install: all $(SHELLS:%=$(B)/completion.%)
	$(INSTALL) -D -m 755 $(B)/dsv4chat $(DEST)/bin/dsv4chat
	$(foreach p,$(CUDA_PLUGIN),$(INSTALL) -D -m 755 $(p) $(PLUGINS_DIR)/$(notdir $(p)) &&) true
	$(foreach p,$(CUDA_PLUGIN),$(INSTALL) -D -m 644 $(p) $(DEST)/lib/dsv4chat/$(notdir $(p)) &&) true
	$(foreach f,$(NANO_FILES),$(INSTALL) -D -m 644 $(f) $(DATA)/nano/$(notdir $(f)) &&) true
	$(foreach f,$(TOOL_FILES),$(INSTALL) -D -m 644 $(f) $(DATA)/tools/$(notdir $(f)) &&) true
	$(INSTALL) -D -m 644 share/config.example $(DATA)/config.example
	$(foreach f,$(MAN_PAGES),$(INSTALL) -D -m 644 $(f) $(call man_page,$(f)) &&) true
	$(foreach s,$(SHELLS),$(INSTALL) -D -m 644 $(B)/completion.$(s) $(call completion,$(s)) &&) true

uninstall:
	rm -f $(DEST)/bin/dsv4chat $(foreach f,$(MAN_PAGES),$(call man_page,$(f))) \
		$(foreach s,$(SHELLS),$(call completion,$(s)))
	rm -rf $(DATA) $(DEST)/lib/dsv4chat
