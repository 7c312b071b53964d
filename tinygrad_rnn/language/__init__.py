"""The languages in which the program speaks: English, and Chinese.

current says which language is spoken, saying makes sentences, chinese/ holds their translations, a file for each room;
locale_language reads the language of a terminal, glossary holds the terms of both languages.
"""
