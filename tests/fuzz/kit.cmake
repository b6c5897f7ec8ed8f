mw_fuzz(taglist LIBS filter_kit)
